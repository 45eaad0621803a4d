SELECT has_feature('bob', 'gpu_hours', '2026-11-09') AS before, has_feature('bob', 'gpu_hours', '2026-12-01') AS owned,
       has_feature('bob', 'ocr', '2026-12-01') AS another;
