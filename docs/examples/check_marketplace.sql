UPDATE promotional_codes SET current_uses = 7 WHERE code = 'FRIEND50';
SELECT * FROM check_marketplace() WHERE NOT ok;
