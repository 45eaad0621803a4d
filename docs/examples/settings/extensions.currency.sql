-- For all sessions: ALTER DATABASE shop SET extensions.currency = 'EUR'.
SET extensions.currency = 'EUR';
SELECT price_cart('ada')->>'currency' AS currency, cart_total('ada');
SET extensions.currency = 'euro';
