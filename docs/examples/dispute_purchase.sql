SELECT dispute_purchase('d0000000-0000-4000-8000-000000000002', 'the cardholder says it was somebody else');
SELECT has_add_on('bob', 'a0000000-0000-4000-8000-000000000009');
