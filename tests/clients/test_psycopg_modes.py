"""psycopg 3 in its other ways: coroutines, pipelines, kept plans, cursors, COPY, notifications, pools."""

import asyncio
import dataclasses
import threading
from decimal import Decimal
from uuid import UUID

import psycopg
import psycopg_pool
import pytest
from psycopg import errors
from psycopg.rows import class_row, dict_row

from conftest import ADD_ONS, code

BRIGADE, BOLT, VECTORS = (ADD_ONS[name] for name in ("Brigade", "Bolt", "Vector Search"))


@pytest.fixture
async def asynchronous():
    async with await psycopg.AsyncConnection.connect() as connection:
        yield connection
        await connection.rollback()


@pytest.mark.anyio
async def test_coroutines(asynchronous):
    for add_on, quantity in ((BRIGADE, 1), (BOLT, 1), (VECTORS, 2)):
        await asynchronous.execute("SELECT * FROM add_to_cart(%s, %s, %s)", ["ada", add_on, quantity])
    cursor = await asynchronous.execute("SELECT cart_total(%s, promo_code => %s)", ["ada", "LAUNCH2025"])
    assert await cursor.fetchone() == (Decimal("43.98"),)
    with pytest.raises(errors.ObjectNotInPrerequisiteState) as raised:
        async with asynchronous.transaction():
            await asynchronous.execute("SELECT * FROM checkout(%s, expected_total => %s)", ["ada", Decimal("1.00")])
    assert code(raised.value) == "price_changed"
    cursor = await asynchronous.execute("SELECT amount FROM checkout(%s, promo_code => %s)", ["ada", "LAUNCH2025"])
    assert [amount for (amount,) in await cursor.fetchall()] == [Decimal("12.80"), Decimal("9.59"), Decimal("21.59")]


def test_a_pipeline_sends_all_and_reads_later(connection):
    with connection.pipeline():
        connection.execute("SELECT * FROM add_to_cart(%s, %s)", ["ada", BRIGADE])
        connection.execute("SELECT * FROM add_to_cart(%s, %s, %s)", ["ada", BOLT, 3])
        total = connection.execute("SELECT cart_total(%s)", ["ada"])
        quote = connection.execute("SELECT price_cart(%s)", ["ada"])
    assert total.fetchone() == (Decimal("64.96"),)
    assert quote.fetchone()[0]["item_count"] == 4


def test_in_a_pipeline_a_refusal_stops_what_follows(connection):
    with pytest.raises(errors.CheckViolation) as raised:
        with connection.transaction(), connection.pipeline():
            connection.execute("SELECT * FROM add_to_cart(%s, %s)", ["ada", BRIGADE])
            connection.execute("SELECT * FROM add_to_cart(%s, %s, %s)", ["ada", BOLT, 101])
            connection.execute("SELECT * FROM add_to_cart(%s, %s)", ["ada", VECTORS])
    assert code(raised.value) == "quantity_limit"
    assert connection.execute("SELECT count(*) FROM cart_items").fetchone() == (0,)


def test_many_calls_in_one_round_trip(connection):
    cursor = connection.cursor()
    calls = [("ada", BRIGADE, 1), ("bob", BOLT, 2), ("cyd", VECTORS, 3)]
    cursor.executemany("SELECT add_on_id, quantity FROM add_to_cart(%s, %s, %s)", calls, returning=True)
    rows = []
    while True:
        rows += cursor.fetchall()
        if not cursor.nextset():
            break
    assert rows == [(add_on, quantity) for _, add_on, quantity in calls]


def test_kept_plans_answer_as_fresh_ones(connection):
    for round in range(12):  # generic plans begin at the sixth
        connection.execute("SELECT * FROM set_cart_quantity('ada', %s, %s)", [BOLT, round + 1], prepare=True)
        for promo_code in (None, "FRIEND50"):
            query = "SELECT cart_total(%s, promo_code => %s)"
            kept = connection.execute(query, ["ada", promo_code], prepare=True).fetchone()
            fresh = connection.execute(query, ["ada", promo_code], prepare=False).fetchone()
            off = 0 if promo_code is None else 5
            assert kept == fresh == ((round + 1) * Decimal("14.99") - off,)
    prepared = connection.execute("SELECT statement FROM pg_prepared_statements").fetchall()
    assert any("cart_total" in statement for (statement,) in prepared)


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_both_formats_of_the_protocol(connection, binary):
    cursor = connection.cursor(binary=binary)
    row = cursor.execute("SELECT add_on_id, quantity FROM add_to_cart('ada', %b, %b)", [BOLT, 2]).fetchone()
    assert row == (BOLT, 2)
    (row,) = cursor.execute("SELECT price_cart('ada'), cart_total('ada'), has_feature('ada', 'gpu_hours')")
    assert row[0]["total"] == 29.98 and row[1:] == (Decimal("29.98"), False)


@dataclasses.dataclass
class Purchase:
    purchase_id: UUID
    name: str
    amount: Decimal
    status: str


def test_rows_become_objects(connection):
    connection.execute("SELECT * FROM add_to_cart('ada', %s)", [BRIGADE])
    connection.execute("SELECT * FROM checkout('ada')")
    cursor = connection.cursor(row_factory=class_row(Purchase))
    (purchase,) = cursor.execute("SELECT purchase_id, name, amount, status FROM purchase_history('ada')")
    assert (purchase.name, purchase.amount, purchase.status) == ("Brigade", Decimal("19.99"), "pending")
    cursor = connection.cursor(row_factory=dict_row)
    row = cursor.execute("SELECT * FROM validate_promo_code('vip2025', 'ada')").fetchone()
    assert list(row) == [
        "valid", "reasons", "discount_type", "discount_value", "eligible_amount", "discount", "cart_total", "final_total",
    ]  # fmt: skip


def test_a_cursor_of_the_server_reads_every_cart_piece_by_piece(connection):
    for number in range(25):
        connection.execute("SELECT * FROM add_to_cart(%s, %s)", [f"user {number:02}", BOLT])
    with connection.cursor(name="carts") as cursor:
        cursor.itersize = 10
        cursor.execute("SELECT user_id, total FROM price_carts() ORDER BY user_id")
        rows = list(cursor)
    assert rows == [(f"user {number:02}", Decimal("14.99")) for number in range(25)]


def test_copy_in_and_out(connection):
    with connection.cursor().copy("COPY cart_items (user_id, add_on_id, quantity) FROM STDIN") as copy:
        for user in ("ada", "bob"):
            copy.write_row((user, VECTORS, 2))
    with connection.cursor().copy("COPY (SELECT user_id, total FROM price_carts() ORDER BY 1) TO STDOUT") as copy:
        assert list(copy.rows()) == [("ada", "29.98"), ("bob", "29.98")]


def test_grants_are_announced(database):
    with psycopg.connect(dbname=database, autocommit=True) as listener, psycopg.connect(dbname=database) as billing:
        listener.execute("LISTEN extensions_entitlements")
        billing.execute("SELECT * FROM grant_add_on('ada', %s)", [BOLT])
        billing.commit()
        (notification,) = listener.notifies(timeout=10, stop_after=1)
        assert notification.channel == "extensions_entitlements" and "ada" in notification.payload
        billing.execute("SELECT * FROM grant_add_on('bob', %s)", [BOLT])
        billing.rollback()
        assert list(listener.notifies(timeout=0.2)) == []


def test_a_pool_of_threads_never_redeems_a_code_too_often(database):
    with psycopg.connect(dbname=database) as connection:
        connection.execute(
            "INSERT INTO promotional_codes (code, discount_type, discount_value, max_uses) VALUES ('THREE', 'fixed_amount', 1, 3)"
        )
    outcomes = []

    def buy(user):
        with pool.connection() as connection:
            connection.execute("SELECT * FROM add_to_cart(%s, %s)", [user, BOLT])
        try:
            with pool.connection() as connection:
                connection.execute("SELECT * FROM checkout(%s, promo_code => 'three')", [user])
            outcomes.append("sold")
        except errors.CheckViolation as refused:
            outcomes.append(code(refused))

    with psycopg_pool.ConnectionPool(kwargs={"dbname": database}, min_size=4, max_size=4) as pool:
        threads = [threading.Thread(target=buy, args=[f"thread {number}"]) for number in range(10)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    assert sorted(outcomes) == ["promo_refused"] * 7 + ["sold"] * 3


@pytest.mark.anyio
async def test_a_call_that_waits_can_be_cancelled(database):
    holder = await psycopg.AsyncConnection.connect(dbname=database)
    waiter = await psycopg.AsyncConnection.connect(dbname=database)
    async with holder, waiter:
        await holder.execute("SELECT * FROM add_to_cart('dee', %s)", [BOLT])
        await holder.commit()
        await holder.execute("SELECT * FROM checkout('dee')")
        waiting = asyncio.create_task(waiter.execute("SELECT * FROM checkout('dee')"))
        await asyncio.sleep(0.2)
        assert not waiting.done()  # checkouts of one user wait for each other
        await waiter.cancel_safe()
        with pytest.raises(errors.QueryCanceled):
            await waiting
        await waiter.rollback()
        cursor = await waiter.execute("SELECT count(*) FROM add_on_purchases WHERE user_id = 'dee'")
        assert await cursor.fetchone() == (0,)
        await holder.rollback()
