SELECT * FROM run_maintenance();
