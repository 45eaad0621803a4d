SELECT * FROM forget_user('ada', 'customer 1');
SELECT DISTINCT user_id FROM add_on_purchases WHERE user_id IN ('ada', 'customer 1');
