SELECT protect_marketplace();
SELECT unprotect_marketplace();
DROP EXTENSION extensions;
SELECT to_regclass('add_ons') IS NULL AS is_gone;
