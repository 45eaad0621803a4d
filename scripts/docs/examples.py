"""Runs the examples of docs/examples, each in a database of its own in which setup.sql has run, and keeps what psql prints."""

import re
import subprocess
from pathlib import Path

from psycopg import connect

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "examples"
TEMPLATE = "docs_examples"


def psql(database, sql):
    """What psql prints, errors included and without the places where they occurred."""
    command = ["psql", "-X", "-q", "-d", database, "-c", "SET timezone = 'UTC'", "-f", "-"]
    run = subprocess.run(command, input=sql, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    lines = [f"{line[line.index(mark):]}" if (mark := next((m for m in ("ERROR:", "NOTICE:") if m in line), None)) else line
             for line in run.stdout.splitlines()]
    return "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"


def setup_text():
    """What all examples start from."""
    return ("The examples run in a database that was prepared as follows. The ids of the sample catalog are always the same: "
            "its add-ons are `a0000000-0000-4000-8000-000000000001` to `...09`.\n\n"
            f"```sql\n{(FOLDER / 'setup.sql').read_text().strip()}\n```\n\n")


def run(connection, name):
    """The example of an object with its output, as Markdown; None where there is none."""
    file = FOLDER / f"{name}.sql"
    if not file.exists():
        return None
    database = "docs_" + re.sub(r"\W", "_", name)
    # The caller drops it with the server, because each DROP DATABASE waits for a checkpoint.
    connection.execute(f"DROP DATABASE IF EXISTS {database}")
    connection.execute(f"CREATE DATABASE {database} TEMPLATE {TEMPLATE}")
    sql = file.read_text().strip()
    return f"```sql\n{sql}\n```\n```text\n{psql(database, sql)}```\n\n"


def run_all(names):
    """The examples by name, such as `quote`, `views/revenue_by_day` or `settings/extensions.currency`, and the names of what has none."""
    with connect(dbname="postgres", autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {TEMPLATE}")
        server.execute(f"CREATE DATABASE {TEMPLATE}")
        errors = psql(TEMPLATE, (FOLDER / "setup.sql").read_text())
        assert "ERROR" not in errors, errors
        outputs = {name: run(server, name) for name in names}
    return {name: text for name, text in outputs.items() if text}, [name for name, text in outputs.items() if not text]
