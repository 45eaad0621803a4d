"""What backends of the plain-SQL shop do, in its tables and in no function of ours, after its database was taken over: as their own role,
through the driver that they use, each step in the way they take it. Written for these tests."""

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import asyncpg
import pytest

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db():
    """The backends' connection; what a test does is undone."""
    connection = await asyncpg.connect(user="backend")
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


@pytest.fixture
async def owner():
    """Who installed the extension, in a transaction that is undone."""
    connection = await asyncpg.connect()
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


async def refused(db, error, query, *parameters):
    """The error that a statement ends with."""
    with pytest.raises(error) as raised:
        async with db.transaction():
            await db.execute(query, *parameters)
    return raised.value


async def id_of(db, name):
    # As text, like the ids of the backends.
    return str(await db.fetchval("SELECT id FROM add_ons WHERE name = $1", name))


async def test_what_was_there_is_there(db):
    assert await db.fetchval("SELECT count(*) FROM add_on_purchases WHERE user_id LIKE 'user %' AND status = 'completed'") == 200
    noon = await db.fetchval("SELECT purchased_at FROM add_on_purchases WHERE stripe_payment_id = 'pi_old_1'")
    assert noon == datetime(2024, 1, 2, 17, tzinfo=timezone.utc)
    assert await db.fetchval("SELECT count(*) FROM user_add_ons") == 201
    assert await db.fetchval("SELECT stripe_payment_id FROM add_on_purchases WHERE user_id = 'ada'") == "pi_1"


# The catalog

LIST = """
    SELECT id, name, description, category, base_price, billing_type, features, is_active, created_at
    FROM add_ons WHERE is_active = TRUE{} ORDER BY sort_order, name LIMIT ${} OFFSET ${}
"""


async def test_catalog(db):
    assert [row["name"] for row in await db.fetch(LIST.format("", 1, 2), 20, 0)] == ["Archive", "Lantern", "Scribe"]
    by = " AND category = $1 AND (name ILIKE $2 OR description ILIKE $2)"
    assert [row["name"] for row in await db.fetch(LIST.format(by, 3, 4), "development", "%AGENT%", 20, 0)] == ["Lantern"]
    rows = await db.fetch("SELECT category, COUNT(*) as count FROM add_ons WHERE is_active = TRUE GROUP BY category ORDER BY category")
    assert [tuple(row) for row in rows] == [("ai-chat", 1), ("development", 1), ("infrastructure", 1)]
    featured = "SELECT id, name, features FROM add_ons WHERE is_active = TRUE AND is_featured = TRUE ORDER BY sort_order LIMIT $1"
    assert await db.fetch(featured, 6) == []
    # Prices come as floating-point numbers from the page's URL.
    priced = """
        SELECT name FROM add_ons WHERE is_active = TRUE AND (name ILIKE $1 OR description ILIKE $1)
        AND base_price >= $2 AND base_price <= $3 ORDER BY name LIMIT $4
    """
    assert [row["name"] for row in await db.fetch(priced, "%a%", 9.5, 15.0, 20)] == ["Lantern"]
    one = "SELECT id, name, features, is_active, created_at, updated_at FROM add_ons WHERE id = $1 AND is_active = TRUE"
    assert json.loads((await db.fetchrow(one, await id_of(db, "Scribe")))["features"]) == ["speech"]


async def test_apps_of_a_tier(db):
    tier = await db.fetchval("SELECT id FROM subscription_tiers WHERE tier_code = $1", "managed")
    keys = await db.fetch("SELECT feature_key FROM tier_features WHERE tier_id = $1 AND enabled = TRUE", tier)
    apps = await db.fetch("""
        SELECT id, name, slug, description, icon_url, launch_url, category, feature_key, base_price, billing_type, features
        FROM add_ons WHERE is_active = TRUE ORDER BY sort_order, name
    """)
    allowed = {row["feature_key"] for row in keys}
    assert [(app["slug"], app["launch_url"]) for app in apps if app["feature_key"] in allowed] == [("archive", "/archive")]
    joined = """
        SELECT st.tier_code, tf.feature_key, tf.enabled, ao.name FROM subscription_tiers st JOIN tier_features tf ON st.id = tf.tier_id
        LEFT JOIN add_ons ao ON tf.feature_key = ao.feature_key ORDER BY tf.feature_key
    """
    assert [row["name"] for row in await db.fetch(joined)] == ["Archive", None]
    mine = """
        SELECT a.id, a.name, a.slug, a.icon_url, a.launch_url, ua.status FROM user_add_ons ua JOIN add_ons a ON ua.add_on_id = a.id
        WHERE ua.user_id = $1 AND ua.status = 'active' AND a.is_active = true ORDER BY a.name
    """
    assert [(row["slug"], row["status"]) for row in await db.fetch(mine, "ada")] == [("archive", "active")]


# A cart, from the first add-on to the empty page

CART = """
    SELECT c.id as cart_item_id, c.quantity, c.added_at, a.id as addon_id, a.name, a.description, a.base_price, a.category
    FROM cart_items c JOIN add_ons a ON c.add_on_id = a.id
    WHERE c.user_id = $1 AND a.is_active = TRUE ORDER BY c.added_at DESC
"""


async def add(db, user, add_on, quantity):
    on_sale = await db.fetchrow("SELECT id, name, base_price, is_active FROM add_ons WHERE id = $1 AND is_active = TRUE", add_on)
    assert on_sale
    found = await db.fetchrow("SELECT id, quantity FROM cart_items WHERE user_id = $1 AND add_on_id = $2", user, add_on)
    if found:
        update = "UPDATE cart_items SET quantity = $1, updated_at = NOW() WHERE user_id = $2 AND add_on_id = $3"
        return await db.execute(update, found["quantity"] + quantity, user, add_on)
    return await db.execute("INSERT INTO cart_items (user_id, add_on_id, quantity) VALUES ($1, $2, $3)", user, add_on, quantity)


async def test_cart(db):
    archive, lantern = await id_of(db, "Archive"), await id_of(db, "Lantern")
    assert await add(db, "bob", archive, 2) == "INSERT 0 1"
    assert await add(db, "bob", archive, 1) == "UPDATE 1"
    assert await add(db, "bob", lantern, 1) == "INSERT 0 1"
    lines = {row["name"]: row for row in await db.fetch(CART, "bob")}
    assert (lines["Archive"]["quantity"], lines["Archive"]["base_price"], lines["Lantern"]["category"]) == (3, Decimal("19.99"), "development")
    item = str(lines["Archive"]["cart_item_id"])
    update = "UPDATE cart_items SET quantity = $1, updated_at = NOW() WHERE id = $2 AND user_id = $3 RETURNING id, add_on_id, quantity"
    assert (await db.fetchrow(update, 5, item, "bob"))["quantity"] == 5
    assert await db.fetchrow(update, 5, item, "zoe") is None
    delete = "DELETE FROM cart_items WHERE id = $1 AND user_id = $2 RETURNING id, add_on_id"
    assert str((await db.fetchrow(delete, item, "bob"))["add_on_id"]) == archive
    assert len(await db.fetch("DELETE FROM cart_items WHERE user_id = $1 RETURNING id", "bob")) == 1
    assert await db.fetch(CART, "bob") == []


# From a cart to what one owns

CODE = """
    SELECT code, discount_type, discount_value, max_uses, current_uses, expires_at, is_active, description
    FROM promotional_codes WHERE code = $1
"""


async def pay(db, user, payment, code=None):
    """What the backend does when Stripe says that a session is paid. Says what it sold."""
    sold = []
    for item in await db.fetch("SELECT add_on_id, quantity, user_id FROM cart_items WHERE user_id = $1", user):
        price = await db.fetchval("SELECT base_price FROM add_ons WHERE id = $1", item["add_on_id"])
        insert = """
            INSERT INTO add_on_purchases (user_id, add_on_id, amount, currency, status, stripe_payment_id, purchased_at)
            VALUES ($1, $2, $3, 'usd', 'completed', $4, NOW()) RETURNING id
        """
        sold.append(str(await db.fetchval(insert, user, item["add_on_id"], price * item["quantity"], payment)))
    await db.execute("DELETE FROM cart_items WHERE user_id = $1", user)
    if sold and code:
        await db.execute("UPDATE promotional_codes SET current_uses = current_uses + 1 WHERE code = $1", code)
    return sold


async def activate(db, user, purchase):
    """What the page after the payment does."""
    found = await db.fetchrow(
        """SELECT p.id, p.add_on_id, p.user_id, p.status, a.features, a.name, a.category
           FROM add_on_purchases p JOIN add_ons a ON p.add_on_id = a.id WHERE p.id = $1 AND p.user_id = $2""",
        purchase, user,
    )  # fmt: skip
    insert = """
        INSERT INTO user_add_ons (user_id, add_on_id, status, purchased_at) VALUES ($1, $2, 'active', NOW())
        ON CONFLICT (user_id, add_on_id) DO UPDATE SET status = 'active', updated_at = NOW() RETURNING id
    """
    activated = await db.fetchval(insert, user, found["add_on_id"])
    assert await db.execute("UPDATE add_on_purchases SET status = 'completed' WHERE id = $1", purchase) == "UPDATE 1"
    return activated


async def test_a_sale(db):
    await add(db, "bob", await id_of(db, "Archive"), 2)
    await add(db, "bob", await id_of(db, "Lantern"), 1)
    to_pay = """
        SELECT c.id, c.quantity, a.name, a.base_price, a.id as addon_id, a.category, a.features
        FROM cart_items c JOIN add_ons a ON c.add_on_id = a.id WHERE c.user_id = $1
    """
    assert sum(row["base_price"] * row["quantity"] for row in await db.fetch(to_pay, "bob")) == Decimal("54.97")
    total = "SELECT SUM(c.quantity * a.base_price) as total FROM cart_items c JOIN add_ons a ON c.add_on_id = a.id WHERE c.user_id = $1"
    assert await db.fetchval(total, "bob") == Decimal("54.97")
    code = await db.fetchrow(CODE, "AUTUMN")
    assert (code["discount_type"], code["current_uses"] < code["max_uses"], code["expires_at"]) == ("percentage", True, None)
    sold = await pay(db, "bob", "pi_bob", "AUTUMN")
    assert len(sold) == 2
    # The second delivery of the event finds an empty cart.
    assert await pay(db, "bob", "pi_bob", "AUTUMN") == []

    history = """
        SELECT p.id, p.amount, p.currency, p.status, p.purchased_at, p.stripe_payment_id, a.name as addon_name, a.category, a.features, a.version
        FROM add_on_purchases p JOIN add_ons a ON p.add_on_id = a.id WHERE p.user_id = $1{} ORDER BY p.purchased_at DESC LIMIT ${} OFFSET ${}
    """
    page = await db.fetch(history.format(" AND p.status = $2", 3, 4), "bob", "completed", 20, 0)
    assert {(row["addon_name"], row["amount"], row["currency"]) for row in page} == {
        ("Archive", Decimal("39.98"), "USD"), ("Lantern", Decimal("14.99"), "USD"),
    }  # fmt: skip
    assert await db.fetchval("SELECT COUNT(*) FROM add_on_purchases WHERE user_id = $1 AND status = $2", "bob", "completed") == 2

    first = [await activate(db, "bob", purchase) for purchase in sold]
    assert [await activate(db, "bob", purchase) for purchase in sold] == first
    active = """
        SELECT ua.id, ua.purchased_at, ua.expires_at, ua.status, a.id as addon_id, a.name, a.description, a.category, a.features, a.version,
               a.icon_url
        FROM user_add_ons ua JOIN add_ons a ON ua.add_on_id = a.id WHERE ua.user_id = $1 AND ua.status = 'active' ORDER BY ua.purchased_at DESC
    """
    assert {row["name"] for row in await db.fetch(active, "bob")} == {"Archive", "Lantern"}
    cancel = "SELECT id, status, add_on_id FROM add_on_purchases WHERE id = $1 AND user_id = $2"
    assert (await db.fetchrow(cancel, sold[0], "bob"))["status"] == "completed"


async def test_what_was_sold_is_known_to_the_functions(owner):
    await owner.execute("SET LOCAL ROLE backend; SET LOCAL search_path = platform, public")
    await add(owner, "bob", await id_of(owner, "Archive"), 1)
    for purchase in await pay(owner, "bob", "pi_bob"):
        await activate(owner, "bob", purchase)
    await owner.execute("RESET ROLE; SET LOCAL search_path = public")
    assert await owner.fetchval("SELECT has_feature('bob', 'cold_storage')")
    row = await owner.fetchrow("SELECT name, amount, currency, stripe_payment_id, total_count FROM list_purchases('bob')")
    assert tuple(row) == ("Archive", Decimal("19.99"), "USD", "pi_bob", 1)
    row = await owner.fetchrow("SELECT name, status, entitled, features FROM owned_add_ons WHERE user_id = 'bob'")
    assert (row["name"], row["status"], row["entitled"], json.loads(row["features"])) == ("Archive", "active", True, ["cold_storage"])
    rows = await owner.fetch("SELECT name, gross FROM revenue_by_add_on(now() - interval '1 day', now() + interval '1 day')")
    assert [tuple(row) for row in rows] == [("Archive", Decimal("19.99"))]
    problems = await owner.fetch("SELECT check_name, detail FROM check_marketplace() WHERE NOT ok")
    assert problems == []


async def test_failed_payments(db):
    insert = "INSERT INTO add_on_purchases (user_id, add_on_id, amount, currency, status, stripe_payment_id) VALUES ($1, $2, 9.99, 'usd', $3, $4)"
    archive = await id_of(db, "Archive")
    await db.execute(insert, "bob", archive, "pending", "pi_failing")
    await db.execute(insert, "bob", archive, "completed", "pi_paid")
    fail = "UPDATE add_on_purchases SET status = 'failed' WHERE stripe_payment_id = $1"
    assert await db.execute(fail, "pi_failing") == "UPDATE 1"
    assert await db.execute(fail, "pi_unknown") == "UPDATE 0"
    # As the page says: a paid purchase does not become unpaid.
    assert "code: illegal_transition" in (await refused(db, asyncpg.CheckViolationError, fail, "pi_paid")).detail


async def test_an_exhausted_code(db):
    use = "UPDATE promotional_codes SET current_uses = current_uses + 1 WHERE code = $1"
    assert await db.execute(use, "AUTUMN") == "UPDATE 1"
    assert "code: row_refused" in (await refused(db, asyncpg.CheckViolationError, use, "AUTUMN")).detail


# Administration

CREATE = """
    INSERT INTO add_ons (name, description, category, base_price, billing_type, features, is_active, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, TRUE, NOW(), NOW())
    RETURNING id, name, description, category, base_price, billing_type, features, is_active, created_at, updated_at
"""


async def test_an_add_on_is_made_changed_and_withdrawn(db):
    made = await db.fetchrow(CREATE, "Lens", "Reads pictures", "ai-services", Decimal("4.5"), "monthly", json.dumps({"ocr": True}))
    assert (made["base_price"], json.loads(made["features"]), made["is_active"]) == (Decimal("4.50"), ["ocr"], True)
    with pytest.raises(asyncpg.UniqueViolationError):
        async with db.transaction():
            await db.fetchrow(CREATE, "Lens", "Again", "ai-services", Decimal("4.5"), "monthly", "{}")
    update = """
        UPDATE add_ons SET name = $1, base_price = $2, is_active = $3, features = $4, updated_at = NOW() WHERE id = $5
        RETURNING id, name, base_price, features, is_active, updated_at
    """
    changed = await db.fetchrow(update, "Lens 2", Decimal("5"), True, json.dumps({"ocr": 1, "scan": 2}), str(made["id"]))
    assert (changed["base_price"], json.loads(changed["features"])) == (Decimal("5.00"), ["ocr", "scan"])
    withdraw = "UPDATE add_ons SET is_active = FALSE, updated_at = NOW() WHERE id = $1 AND is_active = TRUE RETURNING id, name"
    assert (await db.fetchrow(withdraw, str(made["id"])))["name"] == "Lens 2"
    assert await db.fetchrow(withdraw, str(made["id"])) is None
    # A seed that is run again.
    seed = "INSERT INTO add_ons (name, description, category, base_price, billing_type, features, metadata) VALUES ($1, '', 'analytics', 1, 'monthly', '[]', '{}') ON CONFLICT DO NOTHING"
    assert [await db.execute(seed, name) for name in ("Lens 2", "Prism", "Prism")] == ["INSERT 0 0", "INSERT 0 1", "INSERT 0 0"]


async def test_analytics(db):
    await add(db, "bob", await id_of(db, "Lantern"), 2)
    await pay(db, "bob", "pi_bob")
    # The backend's times have no zone, and are those of its machine.
    until = datetime.now() + timedelta(minutes=1)
    since = until - timedelta(days=30)
    totals = """
        SELECT COALESCE(SUM(amount), 0) as total_revenue, COUNT(*) as total_purchases FROM add_on_purchases
        WHERE purchased_at BETWEEN $1 AND $2 AND status = 'completed'
    """
    assert tuple(await db.fetchrow(totals, since, until)) == (Decimal("29.98"), 1)
    best = """
        SELECT a.id, a.name, a.category, COUNT(*) as purchases, SUM(p.amount) as revenue
        FROM add_on_purchases p JOIN add_ons a ON p.add_on_id = a.id
        WHERE p.purchased_at BETWEEN $1 AND $2 AND p.status = 'completed' GROUP BY a.id, a.name, a.category ORDER BY revenue DESC LIMIT 10
    """
    assert [row["name"] for row in await db.fetch(best, since, until)] == ["Lantern"]
    categories = """
        SELECT a.category, COUNT(DISTINCT a.id) as addon_count, COUNT(*) as purchases, SUM(p.amount) as revenue
        FROM add_on_purchases p JOIN add_ons a ON p.add_on_id = a.id
        WHERE p.purchased_at BETWEEN $1 AND $2 AND p.status = 'completed' GROUP BY a.category ORDER BY revenue DESC
    """
    assert [tuple(row) for row in await db.fetch(categories, datetime(2024, 1, 1), datetime(2025, 1, 1))] == [
        ("infrastructure", 1, 201, Decimal("4012.99")),
    ]  # fmt: skip
    of_one = """
        SELECT p.id, p.user_id, p.amount, p.status, p.purchased_at, p.subscription_ends_at, u.email as user_email
        FROM add_on_purchases p LEFT JOIN users u ON p.user_id = u.id WHERE p.add_on_id = $1 ORDER BY p.purchased_at DESC LIMIT $2
    """
    rows = await db.fetch(of_one, await id_of(db, "Archive"), 500)
    assert len(rows) == 201 and [row["user_email"] for row in rows if row["user_id"] == "ada"] == ["ada@platform.example"]


async def test_codes_are_made_and_listed(db):
    insert = """
        INSERT INTO promotional_codes (code, discount_type, discount_value, max_uses, current_uses, expires_at, is_active, created_at)
        VALUES ($1, $2, $3, $4, 0, $5, TRUE, NOW())
        RETURNING id, code, discount_type, discount_value, max_uses, current_uses, expires_at, is_active, created_at
    """
    naive, aware = datetime(2099, 1, 1), datetime(2099, 1, 1, tzinfo=timezone.utc)
    made = await db.fetchrow(insert, "WINTER", "percentage", Decimal("10"), 100, aware)
    assert (made["discount_value"], made["expires_at"]) == (Decimal("10.00"), aware)
    assert (await db.fetchrow(insert, "SPRING", "fixed_amount", Decimal("5"), None, naive))["expires_at"] == naive.astimezone(timezone.utc)
    with pytest.raises(asyncpg.UniqueViolationError):
        async with db.transaction():
            await db.fetchrow(insert, "WINTER", "percentage", Decimal("10"), 100, None)
    listed = "SELECT id, code, discount_value, is_active, created_at FROM promotional_codes WHERE ($1 = FALSE OR is_active = TRUE) ORDER BY created_at DESC"
    assert {row["code"] for row in await db.fetch(listed, True)} == {"WINTER", "SPRING", "EARLY", "AUTUMN"}
    assert "SPENT" in {row["code"] for row in await db.fetch(listed, False)}
    # As the page says: times have a zone now.
    with pytest.raises(TypeError):
        assert made["expires_at"] < datetime.now()


# What a validation of the schema looks for, and does


async def test_the_schema_is_what_a_validation_looks_for(owner):
    keys = """
        SELECT DISTINCT table_name FROM information_schema.table_constraints
        WHERE constraint_type = 'FOREIGN KEY' AND table_schema = 'public'
        AND table_name IN ('user_add_ons', 'add_on_purchases', 'pricing_rules', 'cart_items', 'add_on_features')
    """
    assert len(await owner.fetch(keys)) == 5
    assert await owner.fetchval("SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_name LIKE '%updated_at%'") >= 7
    gin = "SELECT COUNT(*) FROM pg_indexes WHERE schemaname = 'public' AND (indexname LIKE '%features%' OR indexname LIKE '%applicable%')"
    assert await owner.fetchval(gin) >= 3


async def test_a_validation_writes_and_cleans_up(owner):
    add_on = await owner.fetchval(
        """INSERT INTO add_ons (name, description, category, base_price, billing_type, features)
           VALUES ('Tried', 'Tried', 'ai-services', 9.99, 'monthly', '["tried_1", "tried_2"]'::jsonb) RETURNING id"""
    )
    await owner.execute("INSERT INTO user_add_ons (user_id, add_on_id, status) VALUES ('tester', $1, 'active')", add_on)
    await owner.execute("INSERT INTO cart_items (user_id, add_on_id, quantity) VALUES ('tester', $1, 1)", add_on)
    await owner.execute(
        "INSERT INTO add_on_features (add_on_id, feature_key, enabled, configuration) VALUES ($1, 'tried_1', TRUE, '{\"a\": \"b\"}')", add_on
    )
    await owner.execute("INSERT INTO promotional_codes (code, discount_type, discount_value, max_uses) VALUES ('TRIED', 'percentage', 10.00, 100)")
    assert await owner.fetchval("SELECT id FROM add_ons WHERE features @> '[\"tried_1\"]'::jsonb") == add_on
    again = {
        "INSERT INTO user_add_ons (user_id, add_on_id) VALUES ('tester', $1)": asyncpg.UniqueViolationError,
        "INSERT INTO cart_items (user_id, add_on_id) VALUES ('tester', $1)": asyncpg.UniqueViolationError,
        "INSERT INTO user_add_ons (user_id, add_on_id, status) VALUES ('other', $1, 'invalid_status')": asyncpg.CheckViolationError,
    }
    for query, error in again.items():
        await refused(owner, error, query, add_on)
    for values in ("('x', 'invalid_category', 10, 'monthly')", "('x', 'ai-services', -10, 'monthly')", "('x', 'ai-services', 10, 'yearly')"):
        await refused(owner, asyncpg.CheckViolationError, f"INSERT INTO add_ons (name, category, base_price, billing_type) VALUES {values}")
    code = "INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES ('TRIED', 'percentage', 15.00)"
    await refused(owner, asyncpg.UniqueViolationError, code)
    await owner.execute("DELETE FROM promotional_codes WHERE code = 'TRIED'")
    for table in ("add_on_features", "cart_items", "user_add_ons"):
        assert await owner.execute(f"DELETE FROM {table} WHERE add_on_id = $1", add_on) == "DELETE 1"
    assert await owner.execute("DELETE FROM add_ons WHERE id = $1", add_on) == "DELETE 1"
