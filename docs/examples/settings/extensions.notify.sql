BEGIN;
SET LOCAL extensions.notify = off;
SELECT expires_at IS NULL AS without_end FROM grant_add_on('dee', 'a0000000-0000-4000-8000-000000000004');
COMMIT;
SHOW extensions.notify;
