SELECT price_add_on('a0000000-0000-4000-8000-000000000008') AS one,
       price_add_on('a0000000-0000-4000-8000-000000000008', 2) AS two,
       price_add_on('a0000000-0000-4000-8000-000000000008', 2, tier_code => 'pro') AS two_for_pro;
