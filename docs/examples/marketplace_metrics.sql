SELECT * FROM marketplace_metrics() WHERE metric IN ('add_ons_on_sale', 'open_checkouts', 'waiting_for_maintenance', 'protected');
