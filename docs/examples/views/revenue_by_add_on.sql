SELECT name, category, purchases, units, gross, refunded, net FROM revenue_by_add_on ORDER BY net DESC;
