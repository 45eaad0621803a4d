SELECT refund_purchase('d0000000-0000-4000-8000-000000000001', 5) AS part,
       refund_purchase('d0000000-0000-4000-8000-000000000001', reason => 'it did not help') AS whole;
SELECT refund_purchase('d0000000-0000-4000-8000-000000000002', 50);
