SELECT * FROM has_features('bob', ARRAY['gpu_hours', 'ocr', 'code_review'], '2026-12-01');
