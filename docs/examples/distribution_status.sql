SELECT * FROM distribution_status();
