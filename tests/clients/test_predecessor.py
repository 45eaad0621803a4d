"""The queries of the plain-SQL shop that came before, unchanged, and what it got wrong, right."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import asyncpg
import pytest

from conftest import ADD_ONS, code_in

BRIGADE, BOLT, VECTORS = (ADD_ONS[name] for name in ("Brigade", "Bolt", "Vector Search"))

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db():
    connection = await asyncpg.connect()
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


LISTING = """
    SELECT id, name, description, category, base_price, billing_type, features, is_active, created_at
    FROM add_ons
    WHERE is_active = TRUE {}
    ORDER BY sort_order, name
    LIMIT ${} OFFSET ${}
"""


async def names(db, query, *parameters):
    return [row["name"] for row in await db.fetch(query, *parameters)]


async def test_the_catalog_is_listed(db):
    everything = await db.fetch(LISTING.format("", 1, 2), 20, 0)
    assert len(everything) == 9 and everything[0]["base_price"] == Decimal("9.99")
    assert everything[0]["created_at"].tzinfo is not None
    by_category = LISTING.format("AND category = $1", 2, 3)
    assert await names(db, by_category, "productivity", 20, 0) == ["Presenton", "Document Processing"]
    assert await names(db, by_category, "productivity", 1, 1) == ["Document Processing"]
    search = LISTING.format("AND (name ILIKE $1 OR description ILIKE $1)", 2, 3)
    assert await names(db, search, "%vector%", 20, 0) == ["Center-Deep Pro", "Vector Search"]
    both = LISTING.format("AND category = $1 AND (name ILIKE $2 OR description ILIKE $2)", 3, 4)
    assert await names(db, both, "infrastructure", "%vector%", 20, 0) == ["Vector Search"]


async def test_categories_featured_and_prices(db):
    query = """
        SELECT category, COUNT(*) AS count FROM add_ons WHERE is_active = TRUE GROUP BY category ORDER BY category
    """
    assert [tuple(row) for row in await db.fetch(query)] == [
        ("ai-services", 3), ("analytics", 1), ("development", 1), ("infrastructure", 2), ("productivity", 2),
    ]  # fmt: skip
    query = "SELECT id, name, icon_url FROM add_ons WHERE is_active AND is_featured ORDER BY sort_order"
    assert await names(db, query) == ["Unicorn Orator (TTS)", "Brigade", "Center-Deep Pro"]
    query = "SELECT MIN(base_price) AS low, MAX(base_price) AS high FROM add_ons WHERE is_active"
    assert tuple(await db.fetchrow(query)) == (Decimal("9.99"), Decimal("49.99"))
    query = "SELECT name FROM add_ons WHERE is_active = TRUE AND base_price BETWEEN $1 AND $2 ORDER BY base_price, name"
    assert await names(db, query, Decimal("12"), Decimal("15")) == ["Document Processing", "Bolt", "Vector Search"]
    assert await names(db, "SELECT name FROM add_ons WHERE features @> $1::jsonb", '["ocr"]') == ["Document Processing"]


CART = """
    SELECT c.id, c.add_on_id, c.quantity, c.billing_type, c.added_at, a.name, a.description, a.base_price, a.category
    FROM cart_items c JOIN add_ons a ON a.id = c.add_on_id
    WHERE c.user_id = $1
    ORDER BY c.added_at DESC
"""


async def old_add_to_cart(db, user, add_on, quantity):
    """Reading, then inserting or updating, as the old backend does."""
    found = await db.fetchrow("SELECT id, quantity FROM cart_items WHERE user_id = $1 AND add_on_id = $2", user, add_on)
    if found:
        query = "UPDATE cart_items SET quantity = $1, updated_at = NOW() WHERE id = $2 RETURNING id"
        return await db.fetchval(query, found["quantity"] + quantity, found["id"])
    query = "INSERT INTO cart_items (user_id, add_on_id, quantity, added_at) VALUES ($1, $2, $3, $4) RETURNING id"
    return await db.fetchval(query, user, add_on, quantity, datetime.now(timezone.utc))


async def test_the_cart(db):
    brigade = await old_add_to_cart(db, "ada", BRIGADE, 1)
    bolt = await old_add_to_cart(db, "ada", BOLT, 1)
    assert await old_add_to_cart(db, "ada", BRIGADE, 99) == brigade
    assert [(row["name"], row["quantity"]) for row in await db.fetch(CART, "ada")] == [("Bolt", 1), ("Brigade", 100)]
    # Both ways of writing see each other.
    await db.fetch("SELECT * FROM add_to_cart($1, $2, 2)", "ada", BOLT)
    assert [row["quantity"] for row in await db.fetch(CART, "ada")] == [3, 100]
    assert await db.execute("DELETE FROM cart_items WHERE id = $1 AND user_id = $2", bolt, "bob") == "DELETE 0"
    assert await db.execute("DELETE FROM cart_items WHERE id = $1 AND user_id = $2", bolt, "ada") == "DELETE 1"
    assert await db.execute("DELETE FROM cart_items WHERE user_id = $1", "ada") == "DELETE 1"
    with pytest.raises(asyncpg.CheckViolationError):
        async with db.transaction():
            await old_add_to_cart(db, "ada", BRIGADE, 0)


HISTORY = """
    SELECT p.id, p.add_on_id, p.amount, p.currency, p.status, p.purchased_at, a.name, a.version, a.category
    FROM add_on_purchases p JOIN add_ons a ON a.id = p.add_on_id
    WHERE p.user_id = $1 {}
    ORDER BY p.purchased_at DESC
    LIMIT ${} OFFSET ${}
"""


async def test_purchases(db):
    insert = """
        INSERT INTO add_on_purchases (user_id, add_on_id, amount, currency, stripe_payment_id, status, purchased_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id
    """
    day = datetime(2026, 1, 1, tzinfo=timezone.utc)
    old = await db.fetchval(insert, "ada", BRIGADE, Decimal("19.99"), "USD", "pi_1", "completed", day)
    new = await db.fetchval(insert, "ada", BOLT, Decimal("14.99"), "USD", "pi_2", "pending", day + timedelta(days=1))
    rows = await db.fetch(HISTORY.format("", 2, 3), "ada", 50, 0)
    assert [(row["id"], row["version"], row["category"]) for row in rows] == [
        (new, "1.4", "development"), (old, "3.0", "ai-services"),
    ]  # fmt: skip
    rows = await db.fetch(HISTORY.format("AND p.status = $2", 3, 4), "ada", "completed", 50, 0)
    assert [row["id"] for row in rows] == [old]
    update = "UPDATE add_on_purchases SET status = 'completed' WHERE id = $1 AND user_id = $2"
    assert await db.execute(update, new, "ada") == "UPDATE 1"
    admin = """
        SELECT p.id, p.user_id, p.amount, p.subscription_ends_at, a.name
        FROM add_on_purchases p JOIN add_ons a ON a.id = p.add_on_id ORDER BY p.purchased_at DESC
    """
    assert [row["subscription_ends_at"] for row in await db.fetch(admin)] == [None, None]
    analytics = """
        SELECT a.name, a.category, COUNT(*) AS sales, SUM(p.amount) AS revenue
        FROM add_on_purchases p JOIN add_ons a ON a.id = p.add_on_id
        WHERE p.status = 'completed' AND p.purchased_at >= $1 AND p.purchased_at < $2
        GROUP BY a.name, a.category ORDER BY revenue DESC
    """
    rows = await db.fetch(analytics, day, day + timedelta(days=1))
    assert [tuple(row) for row in rows] == [("Brigade", "ai-services", 1, Decimal("19.99"))]


async def test_activation(db):
    activate = """
        INSERT INTO user_add_ons (user_id, add_on_id, status, purchased_at)
        VALUES ($1, $2, 'active', NOW())
        ON CONFLICT (user_id, add_on_id) DO UPDATE SET status = 'active', purchased_at = NOW()
    """
    for _ in range(2):
        await db.execute(activate, "ada", BOLT)
    active = """
        SELECT a.id, a.name, a.icon_url, a.category, u.purchased_at, u.expires_at, u.status
        FROM user_add_ons u JOIN add_ons a ON a.id = u.add_on_id
        WHERE u.user_id = $1 AND u.status = 'active' ORDER BY u.purchased_at DESC
    """
    assert [(row["name"], row["icon_url"]) for row in await db.fetch(active, "ada")] == [("Bolt", "/icons/bolt.svg")]
    assert await db.fetchval("SELECT has_feature('ada', 'gpu_hours')") is True
    await db.execute("UPDATE user_add_ons SET status = 'cancelled' WHERE user_id = $1 AND add_on_id = $2", "ada", BOLT)
    assert await db.fetchval("SELECT has_feature('ada', 'gpu_hours')") is False


CODE = """
    SELECT code, discount_type, discount_value, max_uses, current_uses, expires_at, is_active, description
    FROM promotional_codes WHERE code = $1
"""
NEW_CODE = """
    INSERT INTO promotional_codes (code, discount_type, discount_value, max_uses, expires_at, is_active, description)
    VALUES ($1, $2, $3, $4, $5, TRUE, $6) RETURNING id, code
"""


async def test_codes(db):
    row = await db.fetchrow(CODE, "LAUNCH2025")
    assert (row["discount_type"], row["discount_value"], row["current_uses"]) == ("percentage", Decimal("20.00"), 0)
    assert row["expires_at"] > datetime.now(timezone.utc)
    row = await db.fetchrow(NEW_CODE, "friday10".upper(), "percentage", Decimal("10"), 5, None, "Fridays")
    assert row["code"] == "FRIDAY10"
    assert (await db.fetchrow(CODE, "FRIDAY10"))["max_uses"] == 5


async def test_what_its_validation_script_looks_for(db):
    tables = """
        SELECT table_name FROM information_schema.tables
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY table_name
    """
    assert [row["table_name"] for row in await db.fetch(tables)] == [
        "add_on_bundles", "add_on_features", "add_on_purchases", "add_ons", "cart_items", "pricing_rules", "promotional_codes",
        "user_add_ons",
    ]  # fmt: skip
    triggers = """
        SELECT COUNT(DISTINCT trigger_name) FROM information_schema.triggers
        WHERE trigger_schema = 'public' AND trigger_name LIKE '%updated_at%'
    """
    assert await db.fetchval(triggers) >= 7
    indexes = "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND indexname = ANY($1)"
    looked_for = [
        "idx_user_add_ons_user_id", "idx_cart_items_user", "idx_add_on_purchases_user_date", "idx_add_ons_features",
        "idx_pricing_rules_priority",
    ]  # fmt: skip
    assert {row["indexname"] for row in await db.fetch(indexes, looked_for)} == set(looked_for)


# What it got wrong.


async def test_cents_are_not_lost(db):
    assert int(float("19.99") * 100) == 1998
    await db.fetch("SELECT * FROM add_to_cart('ada', $1)", BRIGADE)
    total = await db.fetchval("SELECT cart_total('ada')")
    assert int(total * 100) == 1999


async def test_fixed_codes_discount(db):
    await db.fetch("SELECT * FROM add_to_cart('ada', $1)", BRIGADE)
    assert await db.fetchval("SELECT cart_total('ada', promo_code => 'FRIEND50')") == Decimal("14.99")
    with pytest.raises(asyncpg.CheckViolationError):  # the type its code compared with, and its table never held
        async with db.transaction():
            await db.fetchrow(NEW_CODE, "OLD", "fixed", Decimal("5"), 5, None, "")


async def test_uses_are_counted_and_bind(db):
    await db.fetchrow(NEW_CODE, "ONCE", "fixed_amount", Decimal("1"), 1, None, "")
    for user in ("ada", "bob"):
        await db.fetch("SELECT * FROM add_to_cart($1, $2)", user, BOLT)
    assert len(await db.fetch("SELECT * FROM checkout('ada', promo_code => 'once')")) == 1
    assert (await db.fetchrow(CODE, "ONCE"))["current_uses"] == 1
    with pytest.raises(asyncpg.CheckViolationError) as raised:
        async with db.transaction():
            await db.fetch("SELECT * FROM checkout('bob', promo_code => 'once')")
    assert "exhausted" in raised.value.detail and code_in(raised.value.detail) == "promo_refused"
    with pytest.raises(asyncpg.CheckViolationError):
        async with db.transaction():
            await db.execute("UPDATE promotional_codes SET current_uses = current_uses + 1 WHERE code = 'ONCE'")


async def test_a_codes_conditions_are_looked_at(db):
    insert = """
        INSERT INTO promotional_codes (code, discount_type, discount_value, min_purchase_amount, applicable_to, user_restrictions)
        VALUES ($1, 'fixed_amount', 1, $2, $3, $4)
    """
    await db.execute(insert, "LARGE", Decimal("20"), None, "{}")
    await db.execute(insert, "OTHER", Decimal("0"), [BRIGADE], "{}")
    await db.execute(insert, "BOBS", Decimal("0"), None, '{"user_ids": ["bob"]}')
    await db.fetch("SELECT * FROM add_to_cart('ada', $1)", BOLT)
    query = "SELECT reasons FROM validate_promo_code($1, 'ada')"
    reasons = [await db.fetchval(query, code) for code in ("LARGE", "OTHER", "BOBS", "FRIEND50")]
    assert reasons == [["below_minimum"], ["not_applicable"], ["user_not_allowed"], []]


async def test_rules_and_bundles_are_looked_at(db):
    for add_on in (BRIGADE, BOLT, VECTORS):
        await db.fetch("SELECT * FROM add_to_cart('ada', $1)", add_on)
    assert await db.fetchval("SELECT cart_total('ada')") == Decimal("39.98")  # 49.97 less 20 %, which is 9.99
    rule = "INSERT INTO pricing_rules (add_on_id, discount_amount, tier_code) VALUES ($1, 4.99, 'pro')"
    await db.execute(rule, BOLT)
    assert await db.fetchval("SELECT cart_total('ada', 'pro')") == Decimal("35.98")  # 44.98 less 20 %, which is 9.00


async def test_seeding_twice_inserts_once(db):
    counts = "SELECT (SELECT COUNT(*) FROM add_ons), (SELECT COUNT(*) FROM add_on_features), (SELECT COUNT(*) FROM add_on_bundles)"
    before = await db.fetchrow(counts)
    await db.fetch("SELECT * FROM load_sample_catalog()")
    assert await db.fetchrow(counts) == before


async def test_the_sessions_time_zone_shifts_nothing(db):
    await db.execute("SET LOCAL timezone = 'Pacific/Auckland'")
    await db.fetch("SELECT * FROM grant_add_on('ada', $1, '2099-06-01 00:00+00')", BOLT)
    await db.execute("SET LOCAL timezone = 'America/Los_Angeles'")
    query = "SELECT has_add_on('ada', $1, '2099-05-31 23:59:59+00'), has_add_on('ada', $1, '2099-06-01 00:00+00')"
    assert tuple(await db.fetchrow(query, BOLT)) == (True, False)
    query = "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = 'public' AND data_type = $1"
    assert await db.fetchval(query, "timestamp without time zone") == 0


async def test_no_index_depends_on_the_clock(db):
    query = "SELECT COUNT(*) FROM pg_indexes WHERE schemaname = 'public' AND indexdef ~* '(now\\(|current_)'"
    assert await db.fetchval(query) == 0
    due = "SELECT user_id FROM user_add_ons WHERE status = 'active' AND expires_at <= NOW()"
    assert await db.fetch(due) == []
