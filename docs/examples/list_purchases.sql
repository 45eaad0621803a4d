SELECT name, category, amount, status, checkout_id, total_count FROM list_purchases('bob', max_rows => 1);
