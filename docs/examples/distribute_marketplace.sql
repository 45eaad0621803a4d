-- Where Citus is not installed.
SELECT * FROM distribute_marketplace(shard_count => 32);
