SELECT jsonb_object_keys(export_user('ada')) AS kept ORDER BY 1;
