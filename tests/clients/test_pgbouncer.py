"""Through PgBouncer in transaction mode: each transaction may run in another session of the server."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import asyncpg
import psycopg
import pytest
from psycopg import errors

from conftest import ADD_ONS, code, drop_database, make_database
from pooler import pgbouncer

BRIGADE, BOLT = ADD_ONS["Brigade"], ADD_ONS["Bolt"]


@pytest.fixture(scope="module")
def pooler(tmp_path_factory):
    """The options of a connection through the pooler; a role that sees only the rows of extensions.user_id besides."""
    database = "behind_pgbouncer"
    make_database(database)
    with psycopg.connect(dbname=database) as connection:
        connection.execute("CREATE ROLE shopper LOGIN; SELECT grant_marketplace_access('shopper', 'shop')")
        connection.execute("SELECT enable_user_isolation()")
    with pgbouncer(tmp_path_factory.mktemp("pgbouncer"), database, ["postgres", "shopper"]) as options:
        yield options
    drop_database(database)
    with psycopg.connect() as connection:
        connection.execute("DROP ROLE shopper")


def session_of(connection):
    return connection.execute("SELECT pg_backend_pid()").fetchone()[0]


def test_transactions_of_one_connection_run_in_other_sessions(pooler):
    """What the rest of this file is about does happen."""
    with psycopg.connect(**pooler, dbname="pooled") as first, psycopg.connect(**pooler, dbname="pooled") as second:
        sessions = {first: set(), second: set()}
        for _ in range(10):
            for connection in sessions:
                sessions[connection].add(session_of(connection))
            first.commit()
            second.commit()
            for connection in reversed(sessions):
                sessions[connection].add(session_of(connection))
            first.commit()
            second.commit()
    assert sessions[first] & sessions[second]


def test_psycopg_prepares_statements(pooler):
    with psycopg.connect(**pooler, dbname="pooled", autocommit=True) as first:
        with psycopg.connect(**pooler, dbname="pooled", autocommit=True) as second:
            for round in range(12):
                price = Decimal(round + 1)
                first.execute("UPDATE add_ons SET base_price = %s WHERE id = %s", [price, BRIGADE])
                with first.transaction():  # holds one of the sessions, so that the other serves the second connection
                    for connection in (first, second):
                        query = "SELECT price_add_on(%s, %s)"
                        assert connection.execute(query, [BRIGADE, 2], prepare=True).fetchone() == (2 * price,)


def test_asyncpg_prepares_statements(pooler):
    async def run():
        async with asyncpg.create_pool(**pooler, database="pooled", min_size=4, max_size=4) as pool:
            await pool.execute("UPDATE add_ons SET base_price = 14.99 WHERE id = $1", BOLT)

            async def shop(number):
                user = f"asyncpg {number}"
                await pool.fetch("SELECT * FROM add_to_cart($1, $2, $3)", user, BOLT, 2)
                total = await pool.fetchval("SELECT cart_total($1)", user)
                rows = await pool.fetch("SELECT * FROM checkout($1, expected_total => $2)", user, total)
                return rows[0]["amount"]

            return await asyncio.gather(*(shop(number) for number in range(20)))

    assert asyncio.run(run()) == [Decimal("29.98")] * 20


def test_many_connections_share_two_sessions_and_sell_a_cart_once(pooler):
    with psycopg.connect(**pooler, dbname="pooled") as connection:
        connection.execute("SELECT * FROM add_to_cart('crowd', %s)", [BOLT])

    def buy(_):
        with psycopg.connect(**pooler, dbname="pooled") as connection:
            try:
                return connection.execute("SELECT count(*) FROM checkout('crowd')").fetchone()[0]
            except errors.ObjectNotInPrerequisiteState as refused:
                return code(refused)

    with ThreadPoolExecutor(10) as crowd:
        outcomes = list(crowd.map(buy, range(10)))
    assert sorted(outcomes, key=str) == [1] + ["empty_cart"] * 9


def see_cart(connection, user):
    """The users whose carts a transaction sees that says who it is for."""
    with connection.transaction():
        connection.execute("SELECT set_config('extensions.user_id', %s, true)", [user])
        return {row[0] for row in connection.execute("SELECT DISTINCT user_id FROM cart_items")}


def test_who_a_transaction_is_for_ends_with_it(pooler):
    with psycopg.connect(**pooler, dbname="single") as connection:
        for user in ("ada", "bob"):
            connection.execute("SELECT * FROM add_to_cart(%s, %s)", [user, BOLT])
    options = {**pooler, "dbname": "single", "user": "shopper", "autocommit": True}
    with psycopg.connect(**options) as first, psycopg.connect(**options) as second:
        assert session_of(first) == session_of(second)
        assert see_cart(first, "ada") == {"ada"}
        assert see_cart(second, "bob") == {"bob"}
        for connection in (first, second):
            user, total = connection.execute("SELECT current_setting('extensions.user_id', true), cart_total('ada')").fetchone()
            assert user in (None, "") and total == 0  # nobody's rows are visible to nobody
            assert connection.execute("SELECT count(*) FROM cart_items").fetchone() == (0,)


def test_a_role_ends_with_its_transaction(pooler):
    options = {**pooler, "dbname": "single", "autocommit": True}
    with psycopg.connect(**options) as first, psycopg.connect(**options) as second:
        with first.transaction():
            first.execute("SET LOCAL ROLE shopper")
            with pytest.raises(errors.InsufficientPrivilege), first.transaction():
                first.execute("SELECT run_maintenance()")
        assert second.execute("SELECT current_user").fetchone() == ("postgres",)


def test_a_failed_transaction_leaves_nothing_to_the_next_client(pooler):
    options = {**pooler, "dbname": "single", "user": "shopper", "autocommit": True}
    with psycopg.connect(**options) as first, psycopg.connect(**options) as second:
        with pytest.raises(errors.CheckViolation), first.transaction():
            first.execute("SELECT set_config('extensions.user_id', 'ada', true)")
            first.execute("SELECT * FROM add_to_cart('ada', %s, 1000)", [BOLT])
        assert see_cart(second, "bob") == {"bob"}
        assert second.execute("SELECT count(*) FROM cart_items").fetchone() == (0,)


def test_a_setting_of_the_session_would_be_the_next_clients_too(pooler):
    """Why docs/clients.md says SET LOCAL."""
    options = {**pooler, "dbname": "single", "user": "shopper", "autocommit": True}
    with psycopg.connect(**options) as first, psycopg.connect(**options) as second:
        first.execute("SET extensions.user_id = 'ada'")
        assert {row[0] for row in second.execute("SELECT user_id FROM cart_items")} == {"ada"}
        second.execute("RESET extensions.user_id")
