SELECT suspend_add_on('bob', 'a0000000-0000-4000-8000-000000000009', 'abuse'), has_feature('bob', 'gpu_models');
SELECT has_feature('bob', 'gpu_models');
