"""asyncpg, the driver of the predecessor's backends."""

import asyncio
import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import asyncpg
import pytest

from conftest import ADD_ONS, code_in

BRIGADE, BOLT, VECTORS = (ADD_ONS[name] for name in ("Brigade", "Bolt", "Vector Search"))

pytestmark = pytest.mark.anyio


async def connect(**options):
    connection = await asyncpg.connect(**options)
    # Amounts stay exact: otherwise 19.99 would become a float.
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=lambda text: json.loads(text, parse_float=Decimal)
    )
    return connection


@pytest.fixture
async def connection():
    connection = await connect()
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


async def fill_cart(connection, user="ada"):
    for add_on, quantity in ((BRIGADE, 1), (BOLT, 1), (VECTORS, 2)):
        await connection.fetchrow("SELECT * FROM add_to_cart($1, $2, $3)", user, add_on, quantity)


async def test_types(connection):
    await fill_cart(connection)
    assert await connection.fetchval("SELECT cart_total($1, promo_code => $2)", "ada", "launch2025") == Decimal("43.98")
    quote = await connection.fetchval("SELECT price_cart($1)", "ada")
    assert quote["total"] == Decimal("54.97") and isinstance(quote["lines"][0]["total"], Decimal)
    items = [{"add_on_id": str(BRIGADE), "quantity": 2}]
    assert (await connection.fetchval("SELECT quote($1)", items))["total"] == Decimal("39.98")
    row = await connection.fetchrow("SELECT * FROM validate_promo_code($1, $2)", "VIP2025", "ada")
    assert row["reasons"] == ["tier_not_allowed"] and row["final_total"] == Decimal("54.97")
    end = datetime(2099, 1, 31, 12, tzinfo=timezone.utc)
    assert dict(await connection.fetchrow("SELECT * FROM grant_add_on($1, $2, $3)", "ada", BOLT, end)) == {
        "add_on_id": BOLT,
        "expires_at": end,
    }
    before = end - timedelta(microseconds=1)
    query = "SELECT has_feature($1, 'gpu_hours', $2)"
    assert [await connection.fetchval(query, "ada", at) for at in (before, end)] == [True, False]
    features = await connection.fetch("SELECT * FROM has_features($1, $2)", "ada", ["ocr", "gpu_hours"])
    assert [tuple(feature) for feature in features] == [("ocr", False), ("gpu_hours", True)]


async def test_a_checkout_and_its_webhook(connection):
    await fill_cart(connection)
    rows = await connection.fetch("SELECT * FROM checkout($1, expected_total => $2)", "ada", Decimal("54.97"))
    assert sum(row["amount"] for row in rows) == Decimal("54.97")
    session = {
        "id": "cs_1", "client_reference_id": str(rows[0]["checkout_id"]), "payment_intent": "pi_1", "payment_status": "paid",
        "amount_total": 5497, "currency": "usd",
    }  # fmt: skip
    event = {"id": "evt_1", "type": "checkout.session.completed", "created": 1767225600, "data": {"object": session}}
    report = await connection.fetchval("SELECT apply_stripe_event($1)", event)
    assert report["action"] == "completed" and report["changed"] is True
    owned = await connection.fetch("SELECT name FROM active_add_ons($1) ORDER BY name", "ada")
    assert [row["name"] for row in owned] == ["Bolt", "Brigade", "Vector Search"]


async def test_one_event_stays_what_it_was_when_sent_as_text():
    """A webhook's body can go to the server as it came, without being parsed on the way."""
    connection = await asyncpg.connect()
    body = '{"id": "evt_1", "type": "customer.created", "data": {"object": {}}}'
    report = json.loads(await connection.fetchval("SELECT apply_stripe_event($1)", body))
    assert report == {"handled": False, "action": "ignored", "retry": False}
    await connection.close()


@pytest.mark.parametrize(
    ("expected", "machine_code", "query", "parameters"),
    [
        (asyncpg.InvalidParameterValueError, "invalid_quantity", "SELECT * FROM set_cart_quantity($1, $2, -1)", ["ada", BOLT]),
        (asyncpg.NoDataFoundError, "checkout_not_found", "SELECT * FROM complete_checkout($1)", [BOLT]),
        (asyncpg.CheckViolationError, "quantity_limit", "SELECT * FROM add_to_cart($1, $2, 101)", ["ada", BOLT]),
        (asyncpg.ObjectNotInPrerequisiteStateError, "empty_cart", "SELECT * FROM checkout($1)", ["nobody"]),
        (asyncpg.NumericValueOutOfRangeError, "amount_out_of_range", "SELECT price_add_on($1, 2147483647)", [BOLT]),
    ],
)
async def test_errors(connection, expected, machine_code, query, parameters):
    with pytest.raises(expected) as raised:
        async with connection.transaction():
            await connection.fetch(query, *parameters)
    assert code_in(raised.value.detail) == machine_code and raised.value.hint
    assert await connection.fetchval("SELECT 1") == 1


async def test_prepared_statements_see_the_catalog_change(connection):
    price = await connection.prepare("SELECT price_add_on($1, $2)")
    assert [argument.name for argument in price.get_parameters()] == ["uuid", "int4"]
    for cents in range(1, 12):
        await connection.execute("UPDATE add_ons SET base_price = $1 WHERE id = $2", Decimal(cents) / 100, BOLT)
        assert await price.fetchval(BOLT, 3) == Decimal(3 * cents) / 100


async def test_a_cursor(connection):
    for number in range(20):
        await connection.fetch("SELECT * FROM add_to_cart($1, $2)", f"user {number:02}", BOLT)
    users = [row["user_id"] async for row in connection.cursor("SELECT * FROM price_carts() ORDER BY 1", prefetch=7)]
    assert users == [f"user {number:02}" for number in range(20)]


async def test_copy(connection):
    rows = [("ada", BOLT, 1), ("bob", BRIGADE, 2)]
    await connection.copy_records_to_table("cart_items", records=rows, columns=["user_id", "add_on_id", "quantity"])
    assert await connection.fetchval("SELECT sum(total) FROM price_carts()") == Decimal("54.97")


async def test_listening(database):
    listener, billing = await connect(database=database), await connect(database=database)
    heard = asyncio.Queue()
    await listener.add_listener("extensions_entitlements", lambda *arguments: heard.put_nowait(arguments))
    await billing.fetch("SELECT * FROM grant_add_on('ada', $1)", BOLT)
    *_, channel, payload = await asyncio.wait_for(heard.get(), 10)
    assert channel == "extensions_entitlements" and "ada" in payload
    await listener.close()
    await billing.close()


async def test_a_pool_sells_a_cart_once(database):
    async with asyncpg.create_pool(database=database, min_size=6, max_size=6) as pool:
        await pool.fetch("SELECT * FROM add_to_cart('once', $1)", BOLT)

        async def buy():
            try:
                return len(await pool.fetch("SELECT * FROM checkout('once')"))
            except asyncpg.ObjectNotInPrerequisiteStateError as refused:
                return code_in(refused.detail)

        outcomes = await asyncio.gather(*(buy() for _ in range(12)))
    assert sorted(outcomes, key=str) == [1] + ["empty_cart"] * 11


async def test_one_key_is_one_checkout_whoever_repeats_it(database):
    async with asyncpg.create_pool(database=database, min_size=6, max_size=6) as pool:
        await pool.fetch("SELECT * FROM add_to_cart('twice', $1)", BOLT)
        query = "SELECT checkout_id FROM checkout('twice', idempotency_key => 'tab 1')"
        assert len(set(await asyncio.gather(*(pool.fetchval(query) for _ in range(8))))) == 1
