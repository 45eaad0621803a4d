"""What each index is good for and what it costs: the query in its comment with and without it, and the writes of checkouts."""

import contextlib
import re
import statistics

import psycopg
from psycopg import sql

# The writes of many checkouts of three lines each, with the statements that complete_checkout() and similar functions
# use.
CHECKOUTS = 2000
CART_CHANGES = [
    """INSERT INTO cart_items (user_id, add_on_id)
       SELECT 'index-' || c, id FROM generate_series(1, %(checkouts)s) c, (SELECT id FROM add_ons ORDER BY id LIMIT 3) a""",
    "UPDATE cart_items SET quantity = 2 WHERE user_id LIKE 'index-%%'",
    "DELETE FROM cart_items WHERE user_id LIKE 'index-%%'",
]
CHECKOUT = [
    """INSERT INTO add_on_purchases (user_id, add_on_id, amount, checkout_id, promo_code, metadata)
       SELECT 'index-' || c, id, 9.99, md5(c::text)::uuid, 'TEN', '{"quote_line": {"total": 9.99}}'
         FROM generate_series(1, %(checkouts)s) c, (SELECT id FROM add_ons ORDER BY id LIMIT 3) a""",
    "UPDATE add_on_purchases SET status = 'completed', stripe_payment_id = 'pi_index' WHERE user_id LIKE 'index-%%'",
    """INSERT INTO user_add_ons (user_id, add_on_id, expires_at)
       SELECT user_id, add_on_id, now() + interval '1 month' FROM add_on_purchases WHERE user_id LIKE 'index-%%'""",
]


def measure(database):
    """A row for each index of the marketplace's tables."""
    with psycopg.connect(dbname=database, autocommit=True) as connection:
        connection.execute("SET max_parallel_workers_per_gather = 0; SET jit = off")
        indexes = connection.execute("""
            SELECT c.relname, t.relname, n.conname, obj_description(c.oid, 'pg_class'), pg_relation_size(c.oid)
              FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
              LEFT JOIN pg_constraint n ON n.conindid = c.oid AND n.contype IN ('p', 'u')
             WHERE t.oid IN (SELECT objid FROM pg_depend WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass)
             ORDER BY t.relname, c.relname""").fetchall()
        rows = []
        # The first writes after a checkpoint log full pages.
        writes_of(connection, CART_CHANGES), writes_of(connection, CHECKOUT)
        for index, table, constraint, query, size in indexes:
            with_it = run(connection, table, query)
            without = None
            # Foreign keys and views depend on some constraints.
            with contextlib.suppress(psycopg.errors.DependentObjectsStillExist), connection.transaction(force_rollback=True):
                drop(connection, index, table, constraint)
                without = run(connection, table, query)
            row = {"index": index, "table": table, "bytes": size, "query": query, "with": with_it, "without": without}
            work = {"cart_items": "cart", "add_on_purchases": "checkout", "user_add_ons": "checkout"}.get(table)
            if work and without:
                statements = CART_CHANGES if work == "cart" else CHECKOUT
                whole = writes_of(connection, statements)
                spared = writes_of(connection, statements, lambda: drop(connection, index, table, constraint))
                row["costs"] = {"per": work} | {unit: (whole[unit] - spared[unit], whole[unit]) for unit in spared}
            rows.append(row)
            print(line(row), flush=True)
        return rows


def drop(connection, index, table, constraint):
    """Takes an index away, until the transaction is rolled back."""
    what = ("ALTER TABLE {table} DROP CONSTRAINT {name}", constraint) if constraint else ("DROP INDEX {name}", index)
    connection.execute(sql.SQL(what[0]).format(table=sql.Identifier(table), name=sql.Identifier(what[1])))


def run(connection, table, query):
    """The scans of a query's plan, and its time in milliseconds."""
    text = re.sub(r"\s+", " ", query)
    values = [value(connection, table, text, number) for number in sorted(set(re.findall(r"\$(\d)", text)))]
    connection.execute("DEALLOCATE ALL")
    connection.execute(f"PREPARE q AS {text}")
    arguments = sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, values))) if values else sql.SQL("")
    explain = sql.SQL("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE q{}").format(arguments)
    # In a transaction of its own: one of the queries deletes.
    plans = []
    for _ in range(3):
        with connection.transaction(force_rollback=True):
            plans.append(connection.execute(explain).fetchone()[0][0])
    return {"scan": scan(plans[-1]["Plan"]), "ms": statistics.median(plan["Execution Time"] for plan in plans)}


def value(connection, table, query, number):
    """A value for `$number`: one that is in the table where there is one."""
    text = re.search(rf"(\w+) (=|<|<=|>=) \${number}\b", query)
    if "@@" in query:
        return "number:* & 7"
    if f"ARRAY[${number}" in query:
        return connection.execute("SELECT id::text FROM add_ons ORDER BY id LIMIT 1").fetchone()[0]
    if text and text[2] != "=":
        ages = {"expires_at": "1 hour", "added_at": "-11 days", "purchased_at": "-1 hour" if text[2] == ">=" else "-1900 days"}
        return connection.execute("SELECT (now() + %s::interval)::text", [ages[text[1]]]).fetchone()[0]
    if text and "'" not in text[1]:
        column = sql.Identifier(text[1])
        known = sql.SQL("SELECT {column}::text FROM {table} WHERE {column} IS NOT NULL LIMIT 10")
        found = connection.execute(known.format(column=column, table=sql.Identifier(table))).fetchall()
        return found[-1][0] if found else "none"
    return "feature_7" if "features" in query else "none"


def scan(plan):
    """The scans at the bottom of a plan."""
    below = [scan(child) for child in plan.get("Plans", [])]
    if below:
        return ", ".join(dict.fromkeys(below))
    return plan["Node Type"] + (f" on {plan['Index Name']}" if "Index Name" in plan else "")


def writes_of(connection, statements, prepare=lambda: None):
    """What the writes take, per checkout or change of a cart: microseconds, and bytes of WAL."""
    rounds = []
    for _ in range(5):
        with connection.transaction(force_rollback=True):
            prepare()
            connection.execute("CREATE TEMP TABLE start ON COMMIT DROP AS SELECT clock_timestamp(), pg_current_wal_insert_lsn()")
            for statement in statements:
                connection.execute(statement, {"checkouts": CHECKOUTS})
            taken = """SELECT extract(epoch FROM clock_timestamp() - s.clock_timestamp) * 1e6,
                              pg_wal_lsn_diff(pg_current_wal_insert_lsn(), s.pg_current_wal_insert_lsn) FROM start s"""
            rounds.append([float(figure) / CHECKOUTS for figure in connection.execute(taken).fetchone()])
        connection.execute("VACUUM cart_items, add_on_purchases, user_add_ons")
    microseconds, wal_bytes = (statistics.median(figures) for figures in zip(*rounds))
    return {"us": microseconds, "wal_bytes": wal_bytes}


def line(row):
    """A row of the table, as text."""
    costs = ""
    if "costs" in row:
        (us, all_us), (wal, all_wal) = row["costs"]["us"], row["costs"]["wal_bytes"]
        costs = f"{us:6.1f} us of {all_us:.0f}, {wal:5.0f} B of {all_wal:.0f} per {row['costs']['per']}"
    without = f"without {row['without']['ms']:9.3f} ms" if row["without"] else "a constraint"
    return f"{row['index']:44} {row['with']['ms']:9.3f} ms, {without:20} {costs}"
