SELECT cart_total('ada'), cart_total('ada', tier_code => 'pro') AS as_pro, cart_total('nobody') AS empty;
