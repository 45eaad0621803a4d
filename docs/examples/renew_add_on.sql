SELECT renew_add_on('bob', 'a0000000-0000-4000-8000-000000000004', amount => 14.99, lago_invoice_id => 'inv_2') AS renewed;
SELECT renew_add_on('bob', 'a0000000-0000-4000-8000-000000000004', amount => 14.99, lago_invoice_id => 'inv_2') AS told_again;
