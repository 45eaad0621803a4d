SELECT detach_tables();
SELECT attach_tables();
SELECT attach_tables();
