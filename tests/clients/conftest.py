"""A server is running and the libpq environment variables say where; PGDATABASE has the extension and its sample."""

import os
import pathlib
import sys
from uuid import UUID

import psycopg
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("EXTENSIONS_CACHE", ROOT / ".cache"))
sys.path.append(str(ROOT / "examples/sqlalchemy"))

# The sample catalog's ids are fixed.
ADD_ONS = {
    "Unicorn Orator (TTS)": UUID("a0000000-0000-4000-8000-000000000001"),
    "Amanuensis (STT)": UUID("a0000000-0000-4000-8000-000000000002"),
    "Brigade": UUID("a0000000-0000-4000-8000-000000000003"),
    "Bolt": UUID("a0000000-0000-4000-8000-000000000004"),
    "Presenton": UUID("a0000000-0000-4000-8000-000000000005"),
    "Center-Deep Pro": UUID("a0000000-0000-4000-8000-000000000006"),
    "Document Processing": UUID("a0000000-0000-4000-8000-000000000007"),
    "Vector Search": UUID("a0000000-0000-4000-8000-000000000008"),
    "GPU Compute": UUID("a0000000-0000-4000-8000-000000000009"),
}


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


def make_database(name):
    """A database of its own, with the extension and its sample, for tests that have to commit."""
    with psycopg.connect(autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    with psycopg.connect(dbname=name) as connection:
        connection.execute("CREATE EXTENSION extensions")
        connection.execute("SELECT * FROM load_sample_catalog()")


def drop_database(name):
    with psycopg.connect(autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def database(request):
    """The name of a database that the tests of one module share, and may commit in."""
    name = request.module.__name__
    make_database(name)
    yield name
    drop_database(name)


@pytest.fixture
def connection():
    """A transaction that is rolled back after the test."""
    with psycopg.connect() as connection:
        connection.execute("SELECT 1")  # begins it, so that what follows are savepoints
        yield connection
        connection.rollback()


@pytest.fixture
def call(connection):
    """Runs a query and returns its rows; a query that fails leaves the transaction usable."""

    def run(query, *parameters):
        with connection.transaction():
            return connection.execute(query, parameters).fetchall()

    return run


def code(error):
    """The machine code in the last line of an error's DETAIL."""
    return code_in(error.diag.message_detail)


def code_in(detail):
    return detail.rpartition("code: ")[2]
