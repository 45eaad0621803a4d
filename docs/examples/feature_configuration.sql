SELECT feature_configuration('bob', 'gpu_hours', '2026-12-01');
