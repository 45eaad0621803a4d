SELECT line ->> 'name' AS name, line -> 'list_amount' AS list, line -> 'rule_discount' AS rule, line -> 'bundle_discount' AS bundle,
       line -> 'promo_discount' AS code, line -> 'total' AS total
  FROM jsonb_array_elements(price_cart('ada', promo_code => 'launch2025') -> 'lines') line;
