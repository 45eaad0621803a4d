"""The ways to measure: in one statement, in new sessions, by pgbench. Each side does its work in turn, and medians are compared.

What one session does is measured in processor time of its backend, of which other work on the machine takes little. Linux only: the
time is read from /proc. What clients see is measured in elapsed time.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from rows import ROWS, is_reached

HERE = Path(__file__).parent


@dataclass
class Result:
    """A measured row: the other side, or the limit, and ours, in the row's unit."""

    row: str
    theirs: float
    ours: float
    ratio: float
    details: dict = field(default_factory=dict)

    def line(self):
        """It as text."""
        row = ROWS[self.row]
        verdict = {None: "", True: "reached", False: "MISSED"}[is_reached(self.row, self.ratio)]
        asked = f"{row.asked:6.2f}" if row.asked is not None else "     -"
        name = f"{self.row}: {row.work}"[:75]
        return f"{name:75} {row.unit:5}{self.theirs:12.2f}{self.ours:12.2f}{self.ratio:9.2f} {asked}  {verdict}"


def spent(connection):
    """The processor time that a session's backend has taken, in seconds."""
    return int(Path(f"/proc/{connection.info.backend_pid}/schedstat").read_text().split()[0]) / 1e9


def check_answers(queries, answers):
    """All queries must give the same answer, or their times would say nothing."""
    if any(answer != answers[0] for answer in answers):
        sys.exit(f"these differ in their answers: {queries}")


class Measuring:
    """A database full of data, and the ways to measure in it."""

    def __init__(self, arguments, size):
        self.arguments = arguments
        self.size = size
        self.results = {}

    def value(self, query, database="bench"):
        """What a query says."""
        with psycopg.connect(dbname=database) as connection:
            return connection.execute(query).fetchone()[0]

    def add(self, row, theirs, ours, **details):
        """A row whose figures are the lower the better, but for rates."""
        is_rate = ROWS[row].unit in ("tps", "M/s")
        ratio = ours / theirs if is_rate else theirs / ours
        self.results[row] = Result(row, theirs, ours, ratio, details)
        print(self.results[row].line(), flush=True)

    def add_limit(self, row, ours, **details):
        """A row that has a limit."""
        self.add(row, ROWS[row].limit, ours, **details)

    # In one statement

    def session(self, *settings, database="bench"):
        """A session without parallel workers."""
        connection = psycopg.connect(dbname=database, autocommit=True)
        for setting in ("max_parallel_workers_per_gather = 0", "jit = off", *settings):
            connection.execute(f"SET {setting}")
        return connection

    def timed(self, connection, query, values=None):
        """The seconds of processor time that a query takes, and its answer."""
        start = spent(connection)
        answer = connection.execute(query, values).fetchall()
        return spent(connection) - start, answer

    def seconds(self, connection, query):
        return self.timed(connection, query)[0]

    def in_turn(self, queries, settings=(), must_agree=False):
        """The median seconds of each query, in one warm session."""
        with self.session(*settings) as connection:
            rounds = [[self.timed(connection, query) for query in queries] for _ in range(self.arguments.rounds + 1)]
        if must_agree:
            check_answers(queries, [answer for times in rounds for _, answer in times])
        return [statistics.median(seconds for seconds, _ in times) for times in zip(*rounds[1:])]  # the first warms up

    def in_sessions(self, queries):
        """The same of short queries that are alike, each in sessions of its own, which take turns.

        One that hashes much leaves memory behind that slows down what follows in its session, by up to a half, and the caches of the
        processor in another state. The place of its memory makes each session a little faster or slower than another.
        """
        with self.session() as connection:
            check_answers(queries, [connection.execute(query).fetchall() for query in queries])
        sessions = []
        for _ in range(self.arguments.rounds):
            sessions.append([self.in_turn([query])[0] for query in queries])
        return [statistics.median(seconds) for seconds in zip(*sessions)]

    def statement(self, row, calls, theirs, ours, scale=1.0, settings=(), must_agree=False, **details):
        """Many calls in one statement. The other side may make fewer calls."""
        medians = self.in_turn([theirs, ours], settings, must_agree)
        self.add(row, medians[0] * scale * 1e6 / calls, medians[1] * 1e6 / calls, **details)

    # In new sessions

    def first_call(self, query):
        """Microseconds of the first query of a new session; connecting is not counted."""
        with psycopg.connect(dbname="bench", autocommit=True) as connection:
            start = spent(connection)
            result = connection.pgconn.exec_(query.encode())
            taken = spent(connection) - start
            if result.status not in (psycopg.pq.ExecStatus.TUPLES_OK, psycopg.pq.ExecStatus.COMMAND_OK):
                sys.exit(result.error_message.decode())
        return taken * 1e6

    # By pgbench

    def pgbench(self, script, clients=1, seconds=None, log=None):
        """Transactions per second of a script, and how long each took when a log is wanted."""
        variables = {name: self.size[name] for name in ("carts", "users", "add_ons")} | {"metered": self.metered()}
        command = [Path(os.environ["BIN"]) / "pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "2"]
        command += ["-T", str(seconds or self.arguments.seconds)]
        command += [part for name, value in variables.items() for part in ("-D", f"{name}={value}")]
        command += ["-f", str(HERE / "pgbench" / f"{script}.sql"), "bench"]
        command += ["--log", f"--log-prefix={log}"] if log else []
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0 or "aborted" in done.stderr or "failed" in done.stderr:
            sys.exit(done.stderr)
        return float(re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)[1])

    def metered(self):
        """The add-on of the metered feature."""
        return self.value("SELECT add_on_id FROM add_on_features WHERE feature_key = 'metered'")

    def transactions(self, row, theirs, ours, clients=1):
        """Transactions of two scripts, run in turn."""
        rounds = [[self.pgbench(script, clients) for script in (theirs, ours)] for _ in range(self.arguments.runs)]
        medians = [statistics.median(rates) for rates in zip(*rounds)]
        self.add(row, *medians, clients=clients)

    def latency(self, row, script):
        """The 99th percentile of single calls, as their client sees them."""
        with tempfile.TemporaryDirectory() as folder:
            self.pgbench(script, seconds=1)
            self.pgbench(script, log=f"{folder}/log")
            logs = "".join(path.read_text() for path in Path(folder).iterdir())
        times = sorted(int(line.split()[2]) for line in logs.splitlines())
        p50, p99 = (times[int(len(times) * share)] for share in (0.50, 0.99))
        self.add_limit(row, p99, p50=p50, calls=len(times))
