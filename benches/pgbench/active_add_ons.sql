\set user random(1, :users)
SELECT * FROM active_add_ons('user-' || :user::integer);
