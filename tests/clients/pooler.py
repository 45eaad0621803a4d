"""A PgBouncer of one's own, in transaction mode, on a socket in a folder."""

import contextlib
import os
import pathlib
import subprocess
import time

import psycopg

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("EXTENSIONS_CACHE", ROOT / ".cache")) / "pgbouncer/usr/sbin/pgbouncer"

# As in docs/clients.md, except for settings of this machine.
CONFIGURATION = """
[databases]
pooled = host={server} dbname={database} pool_size=2
single = host={server} dbname={database} pool_size=1

[pgbouncer]
pool_mode = transaction
max_prepared_statements = 200
unix_socket_dir = {folder}
listen_addr =
listen_port = 6432
auth_type = trust
auth_file = {folder}/users
logfile = {folder}/log
"""


@contextlib.contextmanager
def pgbouncer(folder, database, users):
    """Serves a database as `pooled`, with two sessions of the server, and as `single`, with one. Gives the options to connect."""
    assert PROGRAM.exists(), "run scripts/setup.sh pgbouncer first"
    (folder / "users").write_text("".join(f'"{user}" ""\n' for user in users))
    configuration = CONFIGURATION.format(server=os.environ["PGHOST"], database=database, folder=folder)
    (folder / "pgbouncer.ini").write_text(configuration)
    process = subprocess.Popen([PROGRAM, "-q", folder / "pgbouncer.ini"])
    options = {"host": str(folder), "port": 6432}
    try:
        for _ in range(200):
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(**options, dbname="pooled", user=users[0]).close()
                break
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield options
    finally:
        process.terminate()
        process.wait(10)
