SELECT refund_purchase('d0000000-0000-4000-8000-000000000001', 5.00) AS refunded;
SELECT category, purchases, gross, refunded, net FROM revenue_by_category ORDER BY category;
