SELECT enable_user_isolation();
SELECT disable_user_isolation();
SELECT relname, relrowsecurity FROM pg_class WHERE relname IN ('cart_items', 'user_add_ons') ORDER BY relname;
