SELECT name, base_price, category, rank > 0 AS is_match FROM search_add_ons('vec', max_price => 20);
