SELECT count(*) FROM grant_add_on('zoe', 'a0000000-0000-4000-8000-000000000003');
SELECT source, source_id, valid_until, live, detail FROM explain_access('zoe', 'a0000000-0000-4000-8000-000000000003');
