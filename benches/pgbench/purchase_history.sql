\set user random(1, :users)
SELECT * FROM purchase_history('user-' || :user::integer);
