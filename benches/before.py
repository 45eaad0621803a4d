"""Compares two builds of the extension: whether calls are slower than before a change.

    before.py FOLDER_OF_THE_SOCKET_BEFORE FOLDER_OF_THE_SOCKET_NOW [ROUNDS]

Two servers of one PostgreSQL run side by side, each with its build and a database `bench` of the same data (data.sql). They take turns
in short runs; what is compared is the processor time of the backend for a call, of which other work on the machine takes little, by
the best and the median of the runs. Linux only: the time is read from /proc.
"""

import statistics
import sys
import time
from pathlib import Path

import psycopg

# This many calls in a statement; %d stands for the number.
USERS = "(SELECT 'user-' || 1 + i::bigint * 7919 % 10000 AS u, 'feature_' || 1 + i % 200 AS f, 'family_' || i % 20 AS g FROM generate_series(1, %d) i OFFSET 0) q"
CARTS = "(SELECT 'user-' || 1 + i * 31 % 10000 AS u FROM generate_series(1, %d) i OFFSET 0) q"
IDS = "(SELECT id, 'user-' || 1 + g * 7919 % 10000 AS u FROM add_ons, generate_series(1, %d / 200) g OFFSET 0) q"
WORK = {
    "has_feature": (4000, f"SELECT count(*) FROM {USERS} WHERE has_feature(u || '', f)"),
    "has_feature, of a family": (4000, f"SELECT count(*) FROM {USERS} WHERE has_feature(u || '', g)"),
    "has_add_on": (4000, f"SELECT count(*) FROM {IDS} WHERE has_add_on(u || '', id)"),
    "price_add_on": (20000, "SELECT sum(price_add_on(id, 1 + g % 4, 'pro')) FROM add_ons, generate_series(1, %d / 200) g"),
    "cart_total": (1500, f"SELECT sum(cart_total(u, 'pro')) FROM {CARTS}"),
    "cart_total with a code": (1500, f"SELECT sum(cart_total(u, 'pro', 'TEN')) FROM {CARTS}"),
    "price_cart with a code": (800, f"SELECT count(price_cart(u, 'pro', 'TEN')) FROM {CARTS}"),
    "price_carts": (10000, "SELECT count(*), sum(total) FROM price_carts('pro', 'TEN')"),
}
WRITES = ("add_to_cart", "checkout", "complete_checkout")


class Server:
    """A session of one of the servers."""

    def __init__(self, host):
        self.connection = psycopg.connect(f"host={host} user=postgres dbname=bench", autocommit=True)
        self.statistics = Path(f"/proc/{self.connection.info.backend_pid}/schedstat")
        self.connection.execute("SET max_parallel_workers_per_gather = 0; SET jit = off")

    def spent(self):
        """Nanoseconds of processor time so far."""
        return int(self.statistics.read_text().split()[0])

    def measure(self, query):
        """Nanoseconds that a query takes."""
        start = self.spent()
        self.connection.execute(query).fetchall()
        return self.spent() - start

    def call(self, work):
        """Microseconds for a call."""
        if work not in WRITES:
            calls, query = WORK[work]
            return self.measure(query.replace("%d", str(calls))) / calls / 1000
        calls, user = 200, f"before-{time.time_ns()}-"
        numbers = f"generate_series(1, {calls}) i"
        if work == "add_to_cart":
            add = f"LATERAL add_to_cart('{user}' || i, (SELECT id FROM add_ons WHERE sort_order = 1 + i % 200))"
            return self.measure(f"SELECT count(*) FROM {numbers}, {add}") / calls / 1000
        lines = "a.sort_order IN (1 + i % 200, 1 + (i * 7 + 3) % 200, 1 + (i * 13 + 5) % 200)"
        self.connection.execute(f"INSERT INTO cart_items (user_id, add_on_id) SELECT '{user}' || i, a.id FROM {numbers} JOIN add_ons a ON {lines}")
        sell = f"SELECT min(checkout_id::text)::uuid FROM checkout('{user}' || i, 'pro', 'TEN', allow_mixed_billing => true)"
        sold = self.measure(f"SELECT count(*) FROM {numbers}, LATERAL ({sell}) c")
        if work == "checkout":
            return sold / calls / 1000
        found = self.connection.execute("SELECT array_agg(DISTINCT checkout_id::text) FROM add_on_purchases WHERE user_id LIKE %s", [f"{user}%"])
        checkouts = ", ".join(f"'{checkout}'" for checkout in found.fetchone()[0])
        complete = f"SELECT count(*) FROM unnest(ARRAY[{checkouts}]::uuid[]) c, LATERAL complete_checkout(c, 'pi_' || c)"
        return self.measure(complete) / calls / 1000


def main():
    before, now = Server(sys.argv[1]), Server(sys.argv[2])
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 15
    print(f"{'microseconds of processor time for a call':42}{'before':>9}{'now':>9}{'ratio':>7}{'median before':>16}{'now':>9}{'ratio':>7}")
    for work in (*WORK, *WRITES):
        before.call(work), now.call(work)
        times = {before: [], now: []}
        for turn in range(rounds):
            for server in (before, now) if turn % 2 else (now, before):
                times[server].append(server.call(work))
        best, median = ([measure(times[server]) for server in (before, now)] for measure in (min, statistics.median))
        print(f"{work:42}{best[0]:9.2f}{best[1]:9.2f}{best[1] / best[0]:7.2f}{median[0]:16.2f}{median[1]:9.2f}{median[1] / median[0]:7.2f}", flush=True)


if __name__ == "__main__":
    main()
