SELECT status, count(*), sum(amount) FROM add_on_purchases GROUP BY status ORDER BY status;
-- What has happened cannot be undone by an update.
UPDATE add_on_purchases SET status = 'pending' WHERE status = 'completed';
