SELECT open_carts, checkouts, pending_checkouts, paid_checkouts, conversion_percent FROM cart_conversion WHERE day = '2026-11-20';
