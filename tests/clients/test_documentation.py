"""Follows docs/clients.md: runs its blocks one after the other, and compares what they print with the text that follows."""

import configparser
import contextlib
import io
import os
import re
import subprocess
import sys

import pooler
import psycopg
import pytest

from conftest import CACHE, ROOT, drop_database

PAGE = (ROOT / "docs/clients.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$(?:\n```text\n(.*?)^```$)?", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def reader(monkeypatch):
    """A reader's database; roles are the server's, and go with it."""
    with psycopg.connect(autocommit=True) as connection:
        connection.execute("CREATE DATABASE documented")
    monkeypatch.setenv("PGDATABASE", "documented")
    yield "documented"
    monkeypatch.undo()
    drop_database("documented")
    with psycopg.connect(autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS backend, customer, billing")


def run_python(text, names):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, "docs/clients.md", "exec"), names)
    return printed.getvalue()


def run_js(text):
    node = os.path.join(os.path.dirname(sys.executable), "node")
    environment = os.environ | {"NODE_PATH": str(CACHE / "node/node_modules")}
    done = subprocess.run([node, "-"], input=text, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_does_what_it_says(reader):
    names, languages = {}, []
    for language, text, expected in BLOCKS:
        languages.append(language)
        match language:
            case "sql":
                with psycopg.connect() as connection:
                    connection.execute(text)
            case "python":
                assert run_python(text, names) == expected, text
            case "js":
                assert run_js(text) == expected, text
            case other:
                assert other == "ini", "this page has no other blocks"
    assert languages.count("python") >= 6 and languages.count("sql") >= 3 and languages.count("js") == 1


def test_the_pooler_is_configured_as_the_page_says():
    (shown,) = [text for language, text, _ in BLOCKS if language == "ini"]
    sections = []
    for text in (shown, pooler.CONFIGURATION):
        parser = configparser.ConfigParser()
        parser.read_string(text)
        sections.append(dict(parser["pgbouncer"]))
    assert len(sections[0]) == 2 and sections[0].items() <= sections[1].items()
