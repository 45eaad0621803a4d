SELECT protect_marketplace();
DROP EXTENSION extensions;
