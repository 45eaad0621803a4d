SELECT object, action, id IS NULL AS is_new FROM import_catalog(export_catalog());
-- A document may hold a part of the catalog, and rows a part of their columns. First a rehearsal:
SELECT object, action, id IS NULL AS is_new FROM import_catalog(dry_run => true, catalog => '{
    "add_ons": [{"name": "Bolt", "base_price": 15.99},
                {"name": "Chat", "category": "productivity", "base_price": 4.99, "billing_type": "monthly"}]}')
 WHERE action <> 'keep';
