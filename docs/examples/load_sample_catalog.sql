SELECT * FROM load_sample_catalog();
