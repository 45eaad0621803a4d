SELECT allowed, used, remaining FROM set_feature_usage('bob', 'cloud_workspaces', 4);
SELECT allowed, used, remaining FROM set_feature_usage('bob', 'cloud_workspaces', 6);
