"""Measures the extension against what one would write in its place, and prints one table of ratios.

Run by `make bench`. The libpq environment variables name the server; BIN is the folder of its programs. Every piece of work is
done by the baseline and by the extension in turn, several rounds long, and the medians are compared.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import indexes
import psycopg

HERE = Path(__file__).parent
SIZES = {
    "small": {"users": 10_000, "subscriptions": 50_000, "purchases": 100_000, "carts": 10_000, "add_ons": 200},
    "medium": {"users": 200_000, "subscriptions": 1_000_000, "purchases": 2_000_000, "carts": 100_000, "add_ons": 200},
    "large": {"users": 1_000_000, "subscriptions": 5_000_000, "purchases": 10_000_000, "carts": 300_000, "add_ons": 200},
}

PARTS = ["in_one_statement", "entitlements", "for_everybody", "by_clients", "events", "single_calls"]


@dataclass
class Result:
    """A row of the table: microseconds for each call, or transactions per second."""

    work: str
    unit: str
    baseline: float | None
    ours: float
    ratio: float
    bar: float | None
    details: dict = field(default_factory=dict)

    @property
    def reached(self):
        return self.bar is None or self.ratio >= self.bar


class Bench:
    """A database full of data, and the ways to measure in it."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.size = SIZES[arguments.size]
        self.results = []

    # Preparing

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

    def metered(self):
        """The add-on of the metered feature."""
        return self.value("SELECT add_on_id FROM add_on_features WHERE feature_key = 'metered'")

    def value(self, query):
        with psycopg.connect(dbname="bench") as connection:
            return connection.execute(query).fetchone()[0]

    # Measuring

    def seconds(self, connection, query):
        """How long a query takes; the round trip is a few microseconds of it."""
        start = time.perf_counter()
        connection.execute(query).fetchall()
        return time.perf_counter() - start

    def statement(self, work, calls, baseline, ours, bar, scale=1.0, **details):
        """Many calls in one statement, by the baseline and by us, in one warm session. The baseline may make fewer calls."""
        with psycopg.connect(dbname="bench", autocommit=True) as connection:
            connection.execute("SET max_parallel_workers_per_gather = 0; SET jit = off")
            rounds = []
            for round_number in range(self.arguments.rounds + 1):
                times = [self.seconds(connection, baseline) * scale, self.seconds(connection, ours)]
                rounds += [times] if round_number > 0 else []  # the first warms up
        per_call = [statistics.median(times) * 1e6 / calls for times in zip(*rounds)]
        self.add(Result(work, "us", per_call[0], per_call[1], per_call[0] / per_call[1], bar, details))

    def pgbench(self, script, *options, clients=1, seconds=None, log=None):
        """Transactions per second of a script, and how long each took when a log is wanted."""
        command = [Path(os.environ["BIN"]) / "pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "2"]
        command += ["-T", str(seconds or self.arguments.seconds), "-D", f"carts={self.size['carts']}"]
        command += ["-D", f"users={self.size['users']}", "-D", f"add_ons={self.size['add_ons']}", *options]
        command += ["-D", f"metered={self.metered()}"]
        command += ["-f", str(HERE / "pgbench" / f"{script}.sql"), "bench"]
        command += ["--log", f"--log-prefix={log}"] if log else []
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0 or "aborted" in done.stderr or "failed" in done.stderr:
            sys.exit(done.stderr)
        return float(re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)[1])

    def transactions(self, work, baseline, ours, bar, clients=1):
        """Transactions of two scripts, run in turn."""
        rounds = [
            [self.pgbench(baseline, clients=clients), self.pgbench(ours, clients=clients)]
            for _ in range(self.arguments.rounds)
        ]
        medians = [statistics.median(rates) for rates in zip(*rounds)]
        self.add(Result(work, "tps", medians[0], medians[1], medians[1] / medians[0], bar, {"clients": clients}))

    def latency(self, work, script, bar):
        """The 99th percentile of single calls, as their client sees them."""
        with tempfile.TemporaryDirectory() as folder:
            self.pgbench(script, seconds=2)
            self.pgbench(script, log=f"{folder}/log")
            logs = "".join(path.read_text() for path in Path(folder).iterdir())
        times = sorted(int(line.split()[2]) for line in logs.splitlines())
        p50, p99 = (times[int(len(times) * share)] for share in (0.50, 0.99))
        details = {"p50": p50, "calls": len(times)}
        self.add(Result(f"{work}, p99", "us", bar * 1000.0, p99, bar * 1000.0 / p99, 1.0, details))

    def add(self, result):
        self.results.append(result)
        print(row(result), flush=True)

    # The work

    def in_one_statement(self):
        carts, users = self.size["carts"], self.size["users"]
        asked = f"""(SELECT 'user-' || 1 + i::bigint * 7919 % {users} AS u,
                           (ARRAY['feature_', 'family_', 'listed_'])[1 + i % 3] || i % 20 AS f FROM generate_series(1, 100000) i OFFSET 0) q"""
        self.statement(
            "has_feature in a statement",
            100_000,
            f"SELECT count(*) FROM {asked} WHERE baseline.has_feature(u, f)",
            f"SELECT count(*) FROM {asked} WHERE has_feature(u, f)",
            2.0,
        )
        add_ons = f"add_ons, generate_series(1, {100_000 // self.size['add_ons']}) g"
        self.statement(
            "price_add_on in a statement",
            100_000 // self.size["add_ons"] * self.size["add_ons"],
            f"SELECT sum(baseline.price_add_on(id, 1 + g % 4, 'pro')) FROM {add_ons}",
            f"SELECT sum(price_add_on(id, 1 + g % 4, 'pro')) FROM {add_ons}",
            20.0,
        )
        asked = f"(SELECT 'user-' || 1 + i * 31 % {carts} AS u FROM generate_series(1, 5000) i OFFSET 0) q"
        self.statement(
            "price_cart, 3 lines and a code",
            5000,
            f"SELECT count(baseline.price_cart(u, 'pro', 'TEN')) FROM {asked}",
            f"SELECT count(price_cart(u, 'pro', 'TEN')) FROM {asked}",
            5.0,
        )
        every_cart = "SELECT count(*), sum(total) FROM price_carts('pro', 'TEN')"
        some = f"(SELECT 'user-' || 1 + i * 31 % {carts} AS u FROM generate_series(1, 5000) i OFFSET 0) q"
        self.statement(
            "price_carts, for each cart",
            carts,
            f"SELECT sum((baseline.price_cart(u, 'pro', 'TEN') ->> 'total')::numeric) FROM {some}",
            every_cart,
            30.0,
            scale=carts / 5000,
            lines=self.value("SELECT count(*) FROM cart_items"),
        )
        result = self.results[-1]
        lines_per_second = result.details["lines"] / (result.ours * carts / 1e6)
        self.add(Result("price_carts, lines per second", "M/s", 1.0, lines_per_second / 1e6, lines_per_second / 1e6, 1.0))

    def entitlements(self):
        """One user's feature by value beside the executor's floor, in the arguments of an aggregate, and what was used of one."""
        add_on = self.metered()
        asked = "(SELECT 'meter-' || i % 2001 AS u FROM generate_series(1, 20000) i OFFSET 0) q"
        probe = f"""SELECT count(*) FROM {asked} WHERE EXISTS (
                        SELECT FROM user_add_ons o WHERE o.user_id = q.u AND o.add_on_id = '{add_on}' AND o.status = 'active'
                           AND o.purchased_at <= now() AND (o.expires_at IS NULL OR o.expires_at > now()) OFFSET 0)"""
        by_value = f"SELECT count(*) FROM {asked} WHERE has_feature(u || '', 'metered')"
        self.statement("has_feature by value, against a bare EXISTS", 20_000, probe, by_value, 1 / 1.2)
        users = f"(SELECT 'user-' || u AS id FROM generate_series(1, {self.size['users']}) u OFFSET 0) users"
        for work, query in [
            ("a select list", "SELECT count(h) FROM (SELECT has_feature(id, 'family_3') AS h FROM {users} OFFSET 0) q"),
            ("FILTER", "SELECT count(*) FILTER (WHERE has_feature(id, 'family_3')) FROM {users}"),
            ("CASE in an aggregate", "SELECT sum(CASE WHEN has_feature(id, 'family_3') THEN 1 ELSE 2 END) FROM {users}"),
        ]:
            ours = query.replace("{users}", users)
            values = ours.replace("has_feature(id,", "has_feature(id || '',")
            self.statement(f"has_feature in {work}, against by value", self.size["users"], values, ours, 1 / 1.1)
        usage = f"SELECT count(*) FROM {asked}, LATERAL feature_usage(u, 'metered') f"
        self.statement("feature_usage, against has_feature", 20_000, by_value, usage, 1 / 1.5)

    def events(self):
        """The event that pays for a checkout of three lines. Each is about another checkout, so there is no round to repeat."""
        with psycopg.connect(dbname="bench", autocommit=True) as connection:
            connection.execute("SET jit = off")
            times = []
            for number in range(220):
                user = f"event-{os.getpid()}-{number}"
                lines = "INSERT INTO cart_items (user_id, add_on_id) SELECT %s, id FROM add_ons WHERE sort_order IN (4, 33, 58)"
                connection.execute(lines, [user])
                sold = "SELECT min(checkout_id::text), sum(amount) * 100 FROM checkout(%s, allow_mixed_billing => true)"
                checkout, cents = connection.execute(sold, [user]).fetchone()
                paid = {"id": f"pi_{user}", "object": "payment_intent", "status": "succeeded", "currency": "usd"}
                paid |= {"amount": int(cents), "amount_received": int(cents), "metadata": {"checkout_id": checkout}}
                event = {"id": f"evt_{user}", "object": "event", "type": "payment_intent.succeeded", "data": {"object": paid}}
                event |= {"created": int(time.time())}
                start = time.perf_counter()
                outcome = connection.execute("SELECT apply_stripe_event(%s)", [json.dumps(event)]).fetchone()[0]
                times.append(time.perf_counter() - start)
                if not outcome.get("changed"):
                    sys.exit(f"an event did nothing: {outcome}")
        median = statistics.median(times[20:]) * 1e6
        self.add(Result("an event of a checkout of three lines", "us", 1000.0, median, 1000.0 / median, 1.0))

    def for_everybody(self):
        """A feature asked of every user: through the function, as a join, and with entitled_users."""
        users = f"(SELECT 'user-' || u AS id FROM generate_series(1, {self.size['users']}) u OFFSET 0) users"
        join = f"""
            SELECT count(*) FROM {users} WHERE EXISTS (
                SELECT FROM user_add_ons u
                 WHERE u.user_id = users.id AND u.status = 'active' AND u.purchased_at <= now()
                   AND (u.expires_at IS NULL OR u.expires_at > now())
                   AND u.add_on_id IN (SELECT f.add_on_id FROM add_on_features f WHERE f.feature_key = 'family_3' AND f.enabled
                                       UNION ALL SELECT a.id FROM add_ons a WHERE a.features ? 'family_3'))"""
        calls = self.size["users"]
        for work, ours in [
            ("has_feature of every user", f"SELECT count(*) FROM {users} WHERE has_feature(users.id, 'family_3')"),
            ("entitled_users", "SELECT count(*) FROM entitled_users('family_3')"),
        ]:
            self.statement(f"{work}, against the join", calls, join, ours, None)

    def by_clients(self):
        self.transactions("has_feature by pgbench", "exists", "has_feature", 0.85)
        self.transactions("checkout and complete_checkout", "bare_checkout", "checkout", 0.70)
        self.transactions("checkout and complete_checkout, 8 clients", "bare_checkout", "checkout", None, clients=8)
        self.transactions("one hot code, 32 clients", "bare_hot_code", "hot_code", 0.80, clients=32)
        self.transactions("consume_feature, one row, 32 clients, against its UPDATE", "bare_usage_of_own_row", "usage", 0.80, clients=32)
        self.transactions("consume_feature, one row, 32 clients, against a plain table", "bare_usage", "usage", None, clients=32)
        self.transactions("consume_feature, one client, against a plain table", "bare_usage", "usage", None)
        self.transactions("consume_feature, 2001 users, 32 clients", "bare_usage_of_many", "usage_of_many", None, clients=32)

    def single_calls(self):
        for work, script, bar in [
            ("active add-ons", "active_add_ons", 0.5),
            ("cart", "price_cart", 0.3),
            ("purchase history", "purchase_history", 1.0),
            ("feature search", "feature_search", 1.5),
            ("bundle lookup", "bundle_lookup", 0.8),
        ]:
            self.latency(work, script, bar)

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
        with psycopg.connect(dbname=database, autocommit=True) as connection:
            connection.execute("SET max_parallel_workers_per_gather = 0; SET jit = off")
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


def row(result):
    """A line of the table."""
    baseline = f"{result.baseline:12.2f}" if result.baseline is not None else " " * 12
    bar = f"{result.bar:6.2f}" if result.bar is not None else "     -"
    verdict = "" if result.bar is None else "reached" if result.reached else "MISSED"
    return f"{result.work:45} {result.unit:4}{baseline}{result.ours:12.2f}{result.ratio:9.2f} {bar}  {verdict}"


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
    earlier = {result["work"]: result["ratio"] for result in json.loads(path.read_text())["results"]}
    worse = [r for r in results if r.work in earlier and r.ratio < 0.75 * earlier[r.work]]
    for result in worse:
        print(f"worse: {result.work}: ratio {result.ratio:.2f}, was {earlier[result.work]:.2f}")
    return not worse


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="medium")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8, help="of each pgbench run")
    parser.add_argument("--growth", action="store_true", help="also measure how times grow, and throughput over clients")
    parser.add_argument("--indexes", action="store_true", help="also measure what each index is good for and what it costs")
    parser.add_argument("--keep", action="store_true", help="use the data that is loaded")
    parser.add_argument("--check", action="store_true", help="compare the ratios with the results that are there, and write none")
    parser.add_argument("--only", choices=PARTS)
    arguments = parser.parse_args()
    bench = Bench(arguments)
    if not arguments.keep:
        start = time.monotonic()
        bench.load("bench", **bench.size)
        print(f"loaded {arguments.size} in {time.monotonic() - start:.0f} s", flush=True)
    bench.check_agreement()
    print(f"{'work':45} unit{'baseline':>12}{'ours':>12}{'ratio':>9} {'bar':>6}")
    for part in [arguments.only] if arguments.only else PARTS:
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
        "results": [asdict(result) for result in bench.results],
        "hot_updates": bench.hot_updates(),
    }
    if arguments.growth:
        document |= {"throughput": bench.throughput(), "growth": bench.growth()}
    if arguments.indexes:
        document["indexes"] = indexes.measure("bench")
    if path.exists():
        earlier = json.loads(path.read_text())
        document = {key: earlier[key] for key in ("throughput", "growth", "indexes") if key in earlier} | document
    if not arguments.only:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
