-- The application may write rows itself; grant_add_on() does the same and returns when access ends.
INSERT INTO user_add_ons (user_id, add_on_id, purchased_at, expires_at)
VALUES ('dee', 'a0000000-0000-4000-8000-000000000004', '2027-01-01', '2027-02-01');
SELECT has_feature('dee', 'gpu_hours', at => '2027-01-31 23:59') AS in_january, has_feature('dee', 'gpu_hours', at => '2027-02-01') AS later;
