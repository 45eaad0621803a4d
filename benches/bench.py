"""Measures the extension against what one would write in its place, and prints one table of ratios.

Run by `make bench`. The libpq environment variables name the server; BIN is the folder of its programs, WIRE the program of
benches/wire. rows.py says what is measured and what is asked for, measuring.py how.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import indexes
import psycopg
from measuring import HERE, Measuring
from rows import ROWS

SIZES = {
    "small": {"users": 10_000, "subscriptions": 50_000, "purchases": 100_000, "carts": 10_000, "add_ons": 200},
    "medium": {"users": 200_000, "subscriptions": 1_000_000, "purchases": 2_000_000, "carts": 100_000, "add_ons": 200},
    "large": {"users": 1_000_000, "subscriptions": 5_000_000, "purchases": 10_000_000, "carts": 300_000, "add_ons": 200},
}

PARTS = [
    "in_one_statement",
    "simulations",
    "entitlements",
    "of_a_column",
    "for_everybody",
    "first_calls",
    "by_clients",
    "log_written",
    "events",
    "large_refund",
    "single_calls",
    "over_the_wire",
]

# A user's access to any add-on that gives a feature, as one writes it by hand.
ENTITLED = """u.status = 'active' AND u.purchased_at <= now() AND (u.expires_at IS NULL OR u.expires_at > now())
    AND u.add_on_id IN (SELECT f.add_on_id FROM add_on_features f WHERE f.feature_key = '{feature}' AND f.enabled
                        UNION ALL SELECT a.id FROM add_ons a WHERE a.features ? '{feature}'
                         AND NOT EXISTS (SELECT FROM add_on_features f WHERE f.add_on_id = a.id AND f.feature_key = '{feature}'))"""

# Where the check of a column can stand. The names of the other tables make no difference.
POSITIONS = {
    "feature_where": ["SELECT count(*) FROM {users} WHERE {check}"],
    "feature_select": ["SELECT count(*) FILTER (WHERE h) FROM (SELECT {check} AS h FROM {users} OFFSET 0) q"],
    "feature_case": [
        "SELECT sum(c) FROM (SELECT CASE WHEN {check} THEN 1 ELSE 2 END AS c FROM {users} OFFSET 0) q",
        "SELECT sum(CASE WHEN {check} THEN 1 ELSE 2 END) FROM {users}",
    ],
    "feature_filter": ["SELECT count(*) FILTER (WHERE {check}) FROM {users}"],
    "feature_join": ["SELECT count(*) FROM {users} JOIN {users_again} ON again.id = users.id AND {check}"],
    "feature_order": ["SELECT id FROM {users} ORDER BY {check} DESC, id LIMIT 10"],
}

# What sell_by_statements() runs.
BARE_SALE = """
    INSERT INTO add_on_purchases (user_id, add_on_id, amount, checkout_id, promo_code, metadata)
    SELECT user_id, add_on_id, 9.99, md5(user_id)::uuid, 'TEN', '{"quote_line": {"total": 9.99}}' FROM cart_items WHERE user_id = '%(user)s';
    DELETE FROM cart_items WHERE user_id = '%(user)s';
    UPDATE promotional_codes SET current_uses = current_uses + 1 WHERE code = 'TEN' AND (max_uses IS NULL OR current_uses < max_uses);
    UPDATE add_on_purchases SET status = 'completed', stripe_payment_id = 'pi_' || checkout_id WHERE checkout_id = md5('%(user)s')::uuid;
    INSERT INTO user_add_ons (user_id, add_on_id, expires_at)
    SELECT user_id, add_on_id, now() + interval '1 month' FROM add_on_purchases WHERE checkout_id = md5('%(user)s')::uuid"""


class Bench(Measuring):
    """What is measured."""

    def psql(self, database, *arguments):
        """Runs psql; what data.sql says of its progress is shown."""
        command = [Path(os.environ["BIN"]) / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, *arguments]
        subprocess.run(command, check=True)

    def load(self, database, **size):
        """Makes a database of some size."""
        with psycopg.connect(dbname="postgres", autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {database}")
            connection.execute(f"CREATE DATABASE {database}")
        variables = [part for name, value in size.items() for part in ("-v", f"{name}={value}")]
        self.psql(database, "-c", "CREATE EXTENSION extensions", *variables, "-f", str(HERE / "data.sql"))
        self.psql(database, "-f", str(HERE / "baseline.sql"))

    def check_agreement(self):
        """Both give the same answers, or their times would say nothing."""
        differences = {
            "price_cart": """
                SELECT count(*) FROM (SELECT DISTINCT user_id FROM cart_items LIMIT 3000) u, unnest(ARRAY['TEN', 'FIVE']) code
                 WHERE (baseline.price_cart(user_id, 'pro', code) - 'priced_at')
                       IS DISTINCT FROM (price_cart(user_id, 'pro', code) - 'priced_at')""",
            "price_add_on": """
                SELECT count(*) FROM add_ons a, generate_series(1, 4) q, unnest(ARRAY['pro', NULL]) tier
                 WHERE price_add_on(id, q, tier) <> baseline.price_add_on(id, q, tier)""",
            "has_feature": """
                SELECT count(*) FROM generate_series(1, 5000) u, unnest(ARRAY['feature_7', 'family_3', 'listed_9', 'none']) f
                 WHERE has_feature('user-' || u, f) <> baseline.has_feature('user-' || u, f)""",
            "price_carts": """
                SELECT count(*) FROM (SELECT * FROM price_carts('pro', 'TEN') LIMIT 2000) c
                 WHERE c.total <> (baseline.price_cart(c.user_id, 'pro', 'TEN') ->> 'total')::numeric""",
        }
        for name, query in differences.items():
            if (count := self.value(query)) != 0:
                sys.exit(f"{name}: the baseline and the extension differ in {count} answers")

    def in_one_statement(self):
        carts, users = self.size["carts"], self.size["users"]
        asked = f"""(SELECT 'user-' || 1 + i::bigint * 7919 % {users} AS u,
                           (ARRAY['feature_', 'family_', 'listed_'])[1 + i % 3] || i % 20 AS f FROM generate_series(1, 50000) i OFFSET 0) q"""
        self.statement(
            "feature",
            50_000,
            f"SELECT count(*) FROM {asked} WHERE baseline.has_feature(u, f)",
            f"SELECT count(*) FROM {asked} WHERE has_feature(u, f)",
            must_agree=True,
        )
        add_ons = f"add_ons, generate_series(1, {50_000 // self.size['add_ons']}) g"
        self.statement(
            "price_add_on",
            50_000 // self.size["add_ons"] * self.size["add_ons"],
            f"SELECT sum(baseline.price_add_on(id, 1 + g % 4, 'pro')) FROM {add_ons}",
            f"SELECT sum(price_add_on(id, 1 + g % 4, 'pro')) FROM {add_ons}",
            must_agree=True,
        )
        some = f"(SELECT 'user-' || 1 + i * 31 % {carts} AS u FROM generate_series(1, 2000) i OFFSET 0) q"
        self.statement(
            "price_cart",
            2000,
            f"SELECT count(baseline.price_cart(u, 'pro', 'TEN')) FROM {some}",
            f"SELECT count(price_cart(u, 'pro', 'TEN')) FROM {some}",
        )
        self.add_limit("price_cart_limit", self.results["price_cart"].ours)
        self.statement(
            "price_carts",
            carts,
            f"SELECT sum((baseline.price_cart(u, 'pro', 'TEN') ->> 'total')::numeric) FROM {some}",
            "SELECT count(*), sum(total) FROM price_carts('pro', 'TEN')",
            scale=carts / 2000,
        )
        lines = self.value("SELECT count(*) FROM cart_items")
        self.add_limit("price_carts_lines", lines / (self.results["price_carts"].ours * carts), lines=lines)

    def simulations(self):
        """What would change, of all carts, beside pricing them."""
        add_ons = self.value("SELECT array_agg(id::text ORDER BY sort_order) FROM (SELECT * FROM add_ons ORDER BY sort_order LIMIT 5) a")
        rule = json.dumps({"add_on_id": add_ons[0], "discount_percent": 12, "priority": 9})
        bundle = json.dumps({"name": "Draft", "add_on_ids": [add_ons[1], add_ons[4]], "discount_percent": 12})
        code = json.dumps({"code": "DRAFT", "discount_type": "percentage", "discount_value": 10})
        for row, code_given, call in [
            ("simulate_rule", "", f"simulate_pricing_rule('{rule}', tier_code => 'pro')"),
            ("simulate_bundle", "", f"simulate_bundle('{bundle}', tier_code => 'pro')"),
            ("simulate_code", ", 'TEN'", f"simulate_promo_code('{code}', 'pro')"),
        ]:
            prices = f"SELECT count(*), sum(total) FROM price_carts('pro'{code_given})"
            self.statement(row, self.size["carts"], prices, f"SELECT count(*), sum(total_after) FROM {call}")

    def entitlements(self):
        """One user's feature by value beside the executor's floor, and what was used of one."""
        add_on = self.metered()
        # So few that all users are not read at once.
        few = "(SELECT 'meter-' || i AS u FROM generate_series(1, 1500) i OFFSET 0) q"
        probe = f"""SELECT count(*) FROM {few} WHERE EXISTS (
                        SELECT FROM user_add_ons o WHERE o.user_id = q.u AND o.add_on_id = '{add_on}' AND o.status = 'active'
                           AND o.purchased_at <= now() AND (o.expires_at IS NULL OR o.expires_at > now()) OFFSET 0)"""
        by_value = f"SELECT count(*) FROM {few} WHERE has_feature(u || '', 'metered')"
        medians = self.in_turn([probe, by_value], must_agree=True, are_alike=True)
        self.add("feature_by_value", *(seconds * 1e6 / 1500 for seconds in medians))
        asked = "(SELECT i, 'meter-' || i % 4001 AS u FROM generate_series(1, 20000) i OFFSET 0) q"
        # Calls that have nothing in common: each asks about another instant.
        alone = f"SELECT count(*) FROM {asked} WHERE has_feature(u, 'metered', now() + i * interval '1 microsecond')"
        usage = f"SELECT count(*) FROM {asked}, LATERAL feature_usage(u, 'metered') f"
        self.statement("feature_usage", 20_000, alone, usage)

    def of_a_column(self):
        """Every position, for many and for few users, with a feature of one add-on and of twenty: called by value, as a set, and as it is."""
        most = self.size["users"] // 4
        for row, queries in POSITIONS.items():
            cases = {}
            for query in queries:
                for users in (1000, most):
                    for feature, add_ons in (("feature_7", "one"), ("family_3", "twenty")):
                        case = f"{users:,} users, feature of {add_ons}" + (", in an aggregate" if query != queries[0] else "")
                        cases[case] = (users, self.forms(query, users, feature))
            self.worst_of(row, cases)

    def forms(self, query, users, feature):
        """The query with the check called by value, with a set of users, and as it is."""
        checks = [
            f"has_feature(users.id || '', '{feature}')",
            f"users.id IN (SELECT u.user_id FROM user_add_ons u WHERE {ENTITLED.format(feature=feature)})",
            f"has_feature(users.id, '{feature}')",
        ]
        series = f"(SELECT 'user-' || u AS id FROM generate_series(1, {users}) u OFFSET 0)"
        return [query.format(users=f"{series} users", users_again=f"{series} again", check=check) for check in checks]

    def worst_of(self, row, cases):
        """The case with the smallest ratio; the others are details."""
        ratios, figures = {}, {}
        for case, (users, forms) in cases.items():
            by_value, as_a_set, ours = (seconds * 1e6 / users for seconds in self.in_sessions(forms))
            figures[case] = {"by_value": by_value, "as_a_set": as_a_set, "ours": ours}
            ratios[case] = min(by_value, as_a_set) / ours
        worst = min(ratios, key=ratios.get)
        theirs = min(figures[worst]["by_value"], figures[worst]["as_a_set"])
        self.add(row, theirs, figures[worst]["ours"], worst=worst, cases=figures)

    def for_everybody(self):
        """A feature asked of every user: through the function, as a join, and with entitled_users."""
        calls = self.size["users"]
        users = f"(SELECT 'user-' || u AS id FROM generate_series(1, {calls}) u OFFSET 0) users"
        join = f"SELECT count(*) FROM {users} WHERE EXISTS (SELECT FROM user_add_ons u WHERE u.user_id = users.id AND {ENTITLED.format(feature='family_3')})"
        check = f"SELECT count(*) FROM {users} WHERE has_feature(users.id, 'family_3')"
        for work_mem in ("64kB", "4MB", "64MB"):
            self.statement(f"everybody_{work_mem}", calls, join, check, settings=[f"work_mem = '{work_mem}'"], must_agree=True)
        self.statement("entitled_users", calls, join, "SELECT count(*) FROM entitled_users('family_3')")

    def first_calls(self):
        """The first call in each of many sessions, in turn."""
        user = "user-7"
        queries = {
            "feature": f"SELECT has_feature('{user}', 'family_3')",
            "plpgsql feature": f"SELECT baseline.has_feature('{user}', 'family_3')",
            "select": f"SELECT EXISTS (SELECT FROM user_add_ons WHERE user_id = '{user}' AND add_on_id = '{self.metered()}')",
            "load": "LOAD '$libdir/extensions'",
            "cart": f"SELECT price_cart('{user}', 'pro', 'TEN')",
            "plpgsql cart": f"SELECT baseline.price_cart('{user}', 'pro', 'TEN')",
        }
        times = {name: [] for name in queries}
        for _ in range(self.arguments.sessions):
            for name, query in queries.items():
                times[name].append(self.first_call(query))
        median = {name: statistics.median(of) for name, of in times.items()}
        self.add("first_feature", median["plpgsql feature"], median["feature"])
        self.add("first_feature_select", median["select"], median["feature"])
        self.add_limit("first_load", median["load"])
        self.add("first_cart", median["plpgsql cart"], median["cart"])

    def by_clients(self):
        self.transactions("feature_pgbench", "exists", "has_feature")
        self.transactions("sale", "bare_checkout", "checkout")
        self.transactions("sale_8", "bare_checkout", "checkout", clients=8)
        self.transactions("hot_code", "bare_hot_code", "hot_code", clients=32)
        self.transactions("usage", "bare_usage_of_own_row", "usage", clients=32)
        self.transactions("usage_plain", "bare_usage", "usage", clients=32)
        self.transactions("usage_1", "bare_usage", "usage")
        self.transactions("usage_many", "bare_usage_of_many", "usage_of_many", clients=32)

    def log_written(self):
        """The WAL of a sale of three lines. Without full pages, which depend on the last checkpoint, it hardly varies."""
        written = {self.sell_by_statements: [], self.sell: []}
        with self.session() as connection:
            self.write_full_pages(connection, "off")
            connection.execute("CHECKPOINT")
            for number in range(120):
                for sell, amounts in written.items():
                    user = f"wal-{sell.__name__}-{os.getpid()}-{number}"
                    self.fill_cart(connection, user)
                    before = connection.execute("SELECT pg_current_wal_insert_lsn()").fetchone()[0]
                    with connection.transaction():
                        sell(connection, user)
                    after = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s)"
                    amounts.append(int(connection.execute(after, [before]).fetchone()[0]))
            self.write_full_pages(connection, "DEFAULT")
        bare, sale = (statistics.median(amounts[20:]) for amounts in written.values())
        self.add_limit("wal", sale - bare, bare=bare, sale=sale)

    def write_full_pages(self, connection, value):
        connection.execute(f"ALTER SYSTEM SET full_page_writes = {value}")
        connection.execute("SELECT pg_reload_conf()")

    def sell_by_statements(self, connection, user):
        """By bare statements that write the same rows and check nothing, as in pgbench/bare_checkout.sql."""
        connection.execute(BARE_SALE.replace("%(user)s", user))

    def sell(self, connection, user):
        checkout = "SELECT min(checkout_id::text)::uuid FROM checkout(%s, 'pro', 'TEN', allow_mixed_billing => true)"
        checkout_id = connection.execute(checkout, [user]).fetchone()[0]
        connection.execute("SELECT complete_checkout(%s, %s)", [checkout_id, f"pi_{checkout_id}"])

    def fill_cart(self, connection, user):
        """Three lines."""
        connection.execute("INSERT INTO cart_items (user_id, add_on_id) SELECT %s, id FROM add_ons WHERE sort_order IN (4, 33, 58)", [user])

    def events(self):
        """The events that pay for a checkout of three lines and refund it. Each is about another checkout, so there is no round to repeat."""
        times = {"event_paid": [], "event_refunded": []}
        with self.session() as connection:
            for number in range(170):
                user = f"event-{os.getpid()}-{number}"
                self.fill_cart(connection, user)
                sold = "SELECT min(checkout_id::text), sum(amount) * 100 FROM checkout(%s, allow_mixed_billing => true)"
                checkout, cents = connection.execute(sold, [user]).fetchone()
                for row, event in self.paid_and_refunded(user, checkout, int(cents)).items():
                    times[row].append(self.apply(connection, event))
        for row, taken in times.items():
            self.add_limit(row, statistics.median(taken[20:]) * 1e6)

    def paid_and_refunded(self, name, checkout, cents):
        """Stripe's events for a payment and its refund."""
        intent = {"id": f"pi_{name}", "object": "payment_intent", "status": "succeeded", "currency": "usd"}
        intent |= {"amount": cents, "amount_received": cents, "metadata": {"checkout_id": checkout}}
        charge = {"id": f"ch_{name}", "object": "charge", "payment_intent": f"pi_{name}", "currency": "usd"}
        charge |= {"refunded": True, "amount": cents, "amount_refunded": cents}
        kinds = {"event_paid": ("payment_intent.succeeded", intent), "event_refunded": ("charge.refunded", charge)}
        return {
            row: {"id": f"evt_{row}_{name}", "object": "event", "type": kind, "created": int(time.time()), "data": {"object": told}}
            for row, (kind, told) in kinds.items()
        }

    def apply(self, connection, event):
        """The seconds that an event takes, which must have changed something."""
        taken, [[outcome]] = self.timed(connection, "SELECT apply_stripe_event(%s)", [json.dumps(event)])
        if not outcome.get("changed"):
            sys.exit(f"an event did nothing: {outcome}")
        return taken

    def large_refund(self):
        """The refund of a checkout of 10,000 lines, in a database of its own with as many add-ons."""
        self.load("refund", users=1000, subscriptions=5000, purchases=2000, carts=1000, add_ons=10_000)
        with self.session(database="refund") as connection:
            # Without codes and bundles, which decide about the price and not about the refund.
            connection.execute("DELETE FROM add_on_bundles")
            taken = []
            for number in range(3):
                user = f"large-{number}"
                connection.execute("INSERT INTO cart_items (user_id, add_on_id) SELECT %s, id FROM add_ons", [user])
                sold = "SELECT min(checkout_id::text), sum(amount) * 100, count(*) FROM checkout(%s, allow_mixed_billing => true)"
                checkout, cents, lines = connection.execute(sold, [user]).fetchone()
                if lines != 10_000:
                    sys.exit(f"{lines} lines were sold")
                events = self.paid_and_refunded(user, checkout, int(cents))
                self.apply(connection, events["event_paid"])
                taken.append(self.apply(connection, events["event_refunded"]))
        self.add_limit("refund_large", statistics.median(taken) * 1e6)

    def single_calls(self):
        for script in ("active_add_ons", "price_cart", "purchase_history", "feature_search", "bundle_lookup"):
            self.latency(f"p99_{script}", script)

    def over_the_wire(self):
        """An application with plain statements beside one that calls the extension; benches/wire compares their answers, too."""
        with psycopg.connect(dbname="bench") as connection:
            server = [connection.info.host, str(connection.info.port), "bench", connection.info.user]
        work = [os.environ["WIRE"], *server, str(self.size["carts"]), str(self.arguments.runs)]
        for measured in json.loads(subprocess.run(work, check=True, stdout=subprocess.PIPE).stdout):
            row = f"wire_{measured['work']}_{measured['transport']}_{measured['statements_sent']}"
            theirs, ours = measured["figures"]["application"], measured["figures"]["calls"]
            self.add(row, theirs["us"], ours["us"], application=theirs, calls=ours)

    def growth(self):
        """Time of a call as users and as add-ons grow; everything else stays."""
        growth = {"users": {}, "add_ons": {}}
        for users in (1_000, 10_000, 100_000, 1_000_000):
            self.load("growth", users=users, subscriptions=5 * users, purchases=2 * users, carts=min(users, 20_000), add_ons=200)
            growth["users"][users] = self.calls_in("growth", users, 200)
        for add_ons in (10, 100, 1_000, 10_000):
            self.load("growth", users=10_000, subscriptions=50_000, purchases=20_000, carts=10_000, add_ons=add_ons)
            growth["add_ons"][add_ons] = self.calls_in("growth", 10_000, add_ons)
        return growth

    def calls_in(self, database, users, add_ons):
        """Microseconds for each call, in one statement, with everything at hand."""
        some_users = f"(SELECT 'user-' || 1 + i::bigint * 7919 % {users} AS u, i FROM generate_series(1, 20000) i OFFSET 0) q"
        some_carts = f"(SELECT 'user-' || 1 + i::bigint * 7919 % {min(users, 20_000)} AS u, i FROM generate_series(1, 5000) i OFFSET 0) q"
        queries = {
            "has_feature": (20_000, f"SELECT count(has_feature(u, 'feature_' || 1 + i % {min(add_ons, 1000)})) FROM {some_users}"),
            "price_add_on": (20_000, "SELECT sum(price_add_on(id)) FROM (SELECT a.id FROM add_ons a, generate_series(1, 2000) LIMIT 20000) q"),
            "price_cart": (5_000, f"SELECT count(price_cart(u, 'pro', 'TEN')) FROM {some_carts}"),
            "active_add_ons": (20_000, f"SELECT count(*) FROM {some_users}, active_add_ons(u)"),
        }
        with self.session(database=database) as connection:
            per_call = {}
            for name, (calls, query) in queries.items():
                self.seconds(connection, query)
                per_call[name] = statistics.median(self.seconds(connection, query) for _ in range(3)) * 1e6 / calls
        print(f"  {users} users, {add_ons} add-ons: " + ", ".join(f"{name} {us:.2f}" for name, us in per_call.items()), flush=True)
        return per_call

    def throughput(self):
        """Transactions per second of some scripts over numbers of clients."""
        scripts = ("has_feature", "price_cart", "checkout")
        return {script: {clients: self.pgbench(script, clients=clients, seconds=5) for clients in (1, 2, 4, 8, 16)} for script in scripts}

    def hot_updates(self):
        """How many updates of the counters found room on their page and touched no index."""
        return dict(
            psycopg.connect(dbname="bench")
            .execute(
                "SELECT relname, jsonb_build_object('updates', n_tup_upd, 'hot', n_tup_hot_upd) FROM pg_stat_user_tables"
                " WHERE relname IN ('promotional_codes', 'add_on_bundles', 'add_on_purchases', 'cart_items', 'user_add_ons')"
            )
            .fetchall()
        )


def machine():
    """What the figures were measured on."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "processor": model[1] if model else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory[1]) / 2**20, 1),
    }


def compare(results, path):
    """Compares ratios with those of an earlier run: what is a quarter worse is a regression."""
    earlier = {result["row"]: result["ratio"] for result in json.loads(path.read_text())["results"]}
    worse = [result for row, result in results.items() if row in earlier and result.ratio < 0.75 * earlier[row]]
    for result in worse:
        print(f"worse: {ROWS[result.row].work}: ratio {result.ratio:.2f}, was {earlier[result.row]:.2f}")
    return not worse


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="medium")
    parser.add_argument("--rounds", type=int, default=5, help="of statements")
    parser.add_argument("--runs", type=int, default=3, help="of pgbench and of the applications")
    parser.add_argument("--seconds", type=int, default=4, help="of each run of pgbench")
    parser.add_argument("--sessions", type=int, default=60, help="in which the first call is measured")
    parser.add_argument("--note", default="", help="what else was going on, for the page")
    parser.add_argument("--growth", action="store_true", help="also measure how times grow, and throughput over clients")
    parser.add_argument("--indexes", action="store_true", help="also measure what each index is good for and what it costs")
    parser.add_argument("--keep", action="store_true", help="use the data that is loaded")
    parser.add_argument("--check", action="store_true", help="compare the ratios with the results that are there, and write none")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure these parts alone, and write no results")
    parser.add_argument("--write", action="store_true", help="write the results of these parts, in place of all")
    arguments = parser.parse_args()
    bench = Bench(arguments, SIZES[arguments.size])
    if not arguments.keep:
        start = time.monotonic()
        bench.load("bench", **bench.size)
        print(f"loaded {arguments.size} in {time.monotonic() - start:.0f} s", flush=True)
    bench.check_agreement()
    print(f"{'row':75} unit {'theirs':>12}{'ours':>12}{'ratio':>9} {'asked':>6}")
    for part in arguments.only or PARTS:
        getattr(bench, part)()
    path = HERE / "results" / f"{arguments.size}.json"
    if arguments.check:
        sys.exit(0 if compare(bench.results, path) else 1)
    document = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "postgresql": bench.value("SELECT version()"),
        "extension": bench.value("SELECT extversion FROM pg_extension WHERE extname = 'extensions'"),
        "size": {"name": arguments.size, **bench.size},
        "rounds": arguments.rounds,
        "runs": arguments.runs,
        "note": arguments.note,
        "results": [asdict(result) for result in bench.results.values()],
        "hot_updates": bench.hot_updates(),
    }
    if arguments.growth:
        document |= {"throughput": bench.throughput(), "growth": bench.growth()}
    if arguments.indexes:
        document["indexes"] = indexes.measure("bench")
    if path.exists():
        earlier = json.loads(path.read_text())
        document = {key: earlier[key] for key in ("throughput", "growth", "indexes") if key in earlier} | document
    if not arguments.only or arguments.write:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
