"""Makes the pages of docs/ that come from the catalog and the sources: `make docs`. Needs a server in PGHOST, where the
extension is installed. With --check nothing is written, and pages that differ are an error."""

import difflib
import sys
from pathlib import Path

import psycopg
from psycopg.rows import namedtuple_row

import errors
import pictures
import reference
import schema

DOCS = Path(__file__).resolve().parents[2] / "docs"
DATABASE = "docs"


def pages():
    """The text of each page by its name in docs/, and what is wrong with what they were made from."""
    with psycopg.connect(dbname="postgres", autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        server.execute(f"CREATE DATABASE {DATABASE}")
    with psycopg.connect(dbname=DATABASE, row_factory=namedtuple_row, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION extensions")
        text, problems = reference.page(connection)
        made = {"reference.md": text, **schema.pages(connection), **pictures.pages(connection)}
        text, more_problems = errors.page(connection)
        return made | {"errors.md": text}, problems + more_problems


def difference(name, text):
    """How a page differs from the file, if it does."""
    file = DOCS / name
    old = file.read_text() if file.exists() else ""
    lines = difflib.unified_diff(old.splitlines(), text.splitlines(), f"docs/{name}", "as generated", lineterm="", n=1)
    return list(lines)[:40]


def main():
    """Writes the pages, or compares them."""
    made, problems = pages()
    if "--check" in sys.argv:
        for name, text in made.items():
            if lines := difference(name, text):
                problems.append("\n".join([f"docs/{name} is stale: run make docs", *lines]))
    else:
        for name, text in made.items():
            (DOCS / name).parent.mkdir(exist_ok=True)
            (DOCS / name).write_text(text)
    sys.exit("\n".join(f"error: {problem}" for problem in problems) or 0)


if __name__ == "__main__":
    main()
