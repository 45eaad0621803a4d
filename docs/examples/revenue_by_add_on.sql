SELECT name, purchases, units, gross, net FROM revenue_by_add_on('2026-11-01', '2026-12-01');
