SELECT name, quantity, amount, currency, status, refund_amount, purchased_at::date FROM purchase_history('bob', status => 'completed');
