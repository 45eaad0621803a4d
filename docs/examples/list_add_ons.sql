SELECT name, base_price, billing_type, total_count FROM list_add_ons(category => 'ai-services', max_rows => 2);
