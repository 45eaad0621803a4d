SELECT * FROM entitled_users('gpu_hours', '2026-12-01');
