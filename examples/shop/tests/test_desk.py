"""The desk: what each level sees and may do, and that the database keeps the levels apart."""

import html
import re
from decimal import Decimal

import asyncpg
import pytest
from desk.charts import Bar, ceiling, columns, rows

from conftest import BOLT, BRIGADE, VECTORS

pytestmark = pytest.mark.anyio

LEVELS = ("support", "billing", "admin")
PLACES = {
    "support": {"People", "Payments", "Offers", "Catalog"},
    "billing": {"People", "Payments", "Offers", "Catalog", "Sales"},
    "admin": {"People", "Payments", "Offers", "Catalog", "Sales", "Health"},
}


@pytest.fixture
async def spare(admin):
    """An add-on to change as one likes."""
    return await admin.fetchval("INSERT INTO add_ons (name, category, base_price, billing_type) VALUES ('Spare', 'analytics', 5, 'monthly') RETURNING id")


async def buy(client, *add_ons, code=None):
    """Through the shop and its provider; returns the id of the order."""
    for add_on in add_ons:
        assert (await client.post(f"/api/cart/{add_on}")).status_code == 200
    started = (await client.post("/api/checkout", json={"promo_code": code})).json()
    await client.post(started["pay_at"])
    return started["checkout_id"]


async def seen(client, path):
    answer = await client.get(path, follow_redirects=True)
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.text)))


async def said(answer, client):
    """What a page says after something was done."""
    assert answer.status_code == 303, answer.text
    text = (await client.get(answer.headers["location"])).text
    return html.unescape(re.search(r'class="notice" role="status">([^<]*)', text).group(1))


async def test_nobody_works_at_the_desk_without_a_key(visit, admin):
    for client in (await visit(), await visit("ada")):
        for path in ("/desk", "/desk/people?user_id=ada", "/desk/sales", "/desk/edit/code/new"):
            assert (await client.get(path)).headers["location"] == "/desk/sign-in"
        assert (await client.post("/desk/people/grant", data={"user_id": "ada", "add_on_id": BOLT})).headers["location"] == "/desk/sign-in"
        for key in ("", "key of", "key of nobody"):
            assert (await client.post("/desk/sign-in", data={"name": "sue", "key": key})).status_code in (403, 422)
        assert (await client.get("/desk")).status_code == 303
    assert await admin.fetchval("SELECT count(*) FROM user_add_ons") == 0


async def test_a_shift_ends(visit, admin, monkeypatch):
    client = await visit(desk="support")
    assert (await client.get("/desk")).status_code == 200
    monkeypatch.setattr("desk.staff.time.time", lambda: 32_503_680_000)
    assert (await client.get("/desk")).headers["location"] == "/desk/sign-in"


@pytest.mark.parametrize("level", LEVELS)
async def test_a_level_is_shown_what_it_may_do(visit, admin, level):
    client = await visit(desk=level)
    text = (await client.get("/desk")).text
    navigation = text[text.index("<nav") : text.index("</nav>")]
    assert set(re.findall(r">(\w+)</a>", navigation)) == PLACES[level]
    for path in ("/desk", "/desk/payments", "/desk/offers", "/desk/catalog", "/desk/people?user_id=ada"):
        assert (await client.get(path)).status_code == 200
    for path, place in (("/desk/sales", "Sales"), ("/desk/health", "Health")):
        assert (await client.get(path)).status_code == (200 if place in PLACES[level] else 403)


# Everything at the desk that changes something, and the levels that may.
CHANGES = {
    "/desk/people/grant": ("billing", "admin"),
    "/desk/people/suspend": ("billing", "admin"),
    "/desk/people/resume": ("billing", "admin"),
    "/desk/people/cancel": ("billing", "admin"),
    "/desk/orders/{order}/refund": ("billing", "admin"),
    "/desk/payments/settle": ("billing", "admin"),
    f"/desk/reprice/{BOLT}": ("billing", "admin"),
    "/desk/edit/add-on/{spare}": ("admin",),
    "/desk/edit/code/new": ("admin",),
}


@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize("level", LEVELS)
async def test_levels_are_kept_apart(visit, admin, spare, level, path):
    """By the database: the forms are sent whether or not a page of the level has them."""
    order = await buy(await visit("ada"), BOLT)
    client = await visit(desk=level)
    purchase = await admin.fetchval("SELECT id FROM add_on_purchases")
    seen_at = await admin.fetchval("SELECT updated_at::text FROM add_ons WHERE id = $1", spare)
    form = {
        "user_id": "ada", "add_on_id": BOLT, "purchase_id": str(purchase), "amount": "1.00", "payment_id": "pi_none", "note": "n",
        "do": "save", "seen": seen_at, "name": "Other", "category": "development", "base_price": "14.99", "billing_type": "monthly",
        "is_active": "on", "sort_order": "0", "code": "DESK1", "discount_type": "percentage", "discount_value": "5",
    }  # fmt: skip
    tables = "SELECT (SELECT jsonb_agg(t) FROM {} t)"
    kept = [tables.format(name) for name in ("user_add_ons", "add_on_purchases", "add_ons", "promotional_codes")]
    before = [await admin.fetchval(query) for query in kept]
    answer = await client.post(path.format(order=order, spare=spare), data=form)
    if level in CHANGES[path]:
        assert answer.status_code == 303, answer.text
        assert not (await said(answer, client)).startswith("Not done")
    else:
        assert answer.status_code == 403 and "Your level may not do this" in answer.text and "permission denied" in answer.text
        assert 'href="/desk/offers"' in answer.text and "Sign out" in answer.text
        assert [await admin.fetchval(query) for query in kept] == before


async def test_the_logins_have_no_rights_of_their_own(database_url, admin):
    """And the shop's cannot become the desk's, nor the other way round."""
    for login, others in (("shop_backend", ("desk_support", "desk_billing", "desk_admin")), ("desk_backend", ("shop_customer", "shop_billing"))):
        connection = await asyncpg.connect(database_url.replace("shop_backend@", f"{login}@"))
        for statement in ("SELECT marketplace.search_add_ons()", "SELECT * FROM marketplace.add_ons", *(f"SET ROLE {role}" for role in others)):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        await connection.close()


async def test_what_somebody_has_and_why(visit, admin):
    order = await buy(await visit("ada"), BRIGADE, BOLT, VECTORS, code="FRIEND50")
    await admin.execute("SELECT consume_feature('ada', 'gpu_hours', 4)")
    client = await visit(desk="support")
    assert "ada 3 3" in await seen(client, "/desk?starts_with=ad")
    assert "No user whose id begins like this" in await seen(client, "/desk?starts_with=bo")
    text = await seen(client, "/desk/people?user_id=ada")
    assert "Bolt active Renews" in text and "Subscription gives access" in text.replace("  ", " ")
    assert re.search(r"GPU hours 10 hours · no priority Bolt 4 10", text)
    assert "$10.49" in text and f"/desk/orders/{order}" in (await client.get("/desk/people?user_id=ada")).text
    # The price as it was, whatever has become of the catalog.
    await admin.execute("UPDATE add_ons SET base_price = 99 WHERE id = $1", BOLT)
    text = await seen(client, f"/desk/orders/{order}")
    assert "1 × Bolt $14.99 −$3.00" in text and "The bundle Developer Pro : $9.99 off $49.97." in text
    assert "The code FRIEND50 : $5.00 off $39.98." in text and "$34.98" in text
    assert "Every step, to the cent" in text and "To pay" in text
    await admin.execute("UPDATE add_ons SET base_price = 14.99 WHERE id = $1", BOLT)
    # What the level billing does not see is left out, and nothing is refused.
    text = await seen(await visit(desk="billing"), "/desk/people?user_id=ada")
    assert "Bolt active Renews" in text and "Features and usage" not in text
    kept = await client.get("/desk/people/export?user_id=ada")
    assert kept.headers["content-disposition"].startswith("attachment") and "Bolt" not in kept.headers and "ada" in kept.text


async def test_a_refund_in_part_and_of_the_rest(visit, admin):
    order = await buy(await visit("ada"), BOLT)
    client = await visit(desk="billing")
    purchase = await admin.fetchval("SELECT id FROM add_on_purchases")
    path = f"/desk/orders/{order}/refund"

    async def refund(**form):
        return await said(await client.post(path, data={"purchase_id": str(purchase)} | form), client)

    assert await refund(amount="4.99", reason="it was down") == "Recorded: $4.99 paid back so far."
    assert await admin.fetchval("SELECT refund_amount FROM add_on_purchases") == Decimal("4.99")
    assert await admin.fetchval("SELECT has_add_on('ada', $1)", BOLT)
    assert (await refund(amount="10.01")).startswith("Not done: ")
    assert await refund(amount="ten") == "Not done: that is not an amount."
    assert await admin.fetchval("SELECT refund_amount FROM add_on_purchases") == Decimal("4.99")
    assert await refund() == "Recorded: $14.99 paid back so far."
    assert await admin.fetchval("SELECT status FROM add_on_purchases") == "refunded"
    assert not await admin.fetchval("SELECT has_add_on('ada', $1)", BOLT)


async def test_suspending_and_granting(visit, admin):
    client = await visit(desk="billing")

    async def act(what, **form):
        return await said(await client.post(f"/desk/people/{what}", data={"user_id": "o'brien & ada", "add_on_id": BOLT} | form), client)

    assert (await act("suspend")).startswith("Not done: ")
    assert await act("grant", until="2999-12-31") == "Granted until 31 Dec 2999."
    assert await act("grant", until="soon") == "Not done: that is not a date."
    assert await act("suspend", reason="abuse") == "Suspended."
    assert not await admin.fetchval("SELECT has_add_on($1, $2)", "o'brien & ada", BOLT)
    text = await seen(client, "/desk/people?user_id=o%27brien%20%26%20ada")
    assert "Bolt suspended" in text and "Grant" in text and "Resume" in text
    assert await act("resume") == "No longer suspended."
    assert await admin.fetchval("SELECT has_add_on($1, $2)", "o'brien & ada", BOLT)
    assert await act("cancel", reason="too dear") == "Cancelled: it ends with the current period."
    assert await admin.fetchval("SELECT auto_renew FROM user_add_ons") is False


async def test_money_that_pays_for_nothing(app, visit, admin):
    """Two tabs, both paid."""
    shopper = await visit("ada")
    order = await buy(shopper, BOLT)
    provider = app.state.provider
    await provider.pay(provider.open(provider.session_of(order).form))
    support, billing = await visit(desk="support"), await visit(desk="billing")
    text = await seen(support, "/desk/payments")
    assert "The order was paid already." in text and "$14.99" in text and "Mark as settled" not in text
    page = (await billing.get("/desk/payments")).text
    payment = re.search(r'name="payment_id" value="([^"]+)"', page).group(1)
    answer = await billing.post("/desk/payments/settle", data={"payment_id": payment, "note": "paid back by transfer"})
    assert await said(answer, billing) == f"{payment} is settled."
    assert "Nothing to do: every payment belongs to an order." in await seen(billing, "/desk/payments")


async def test_what_a_code_would_change_is_shown_before_it_is_saved(visit, admin):
    for user in ("ada", "bob"):
        await (await visit(user)).post(f"/api/cart/{BOLT}")
    client = await visit(desk="admin")
    form = {"code": "desk10", "discount_type": "percentage", "discount_value": "10", "min_purchase_amount": "0", "renewals": "0",
            "user_restrictions": '{"user_ids": ["ada"]}', "is_active": "on"}  # fmt: skip
    shown = await client.post("/desk/edit/code/new", data=form | {"do": "simulate"})
    text = re.sub(r"<[^>]+>", " ", shown.text)
    assert re.search(r"1 cart, together from \$14.99 to\s+\$13.49", text) and 'value="save"' in shown.text
    assert await admin.fetchval("SELECT count(*) FROM promotional_codes WHERE code = 'DESK10'") == 0
    saved = await client.post("/desk/edit/code/new", data=form | {"do": "save"})
    assert await said(saved, client) == "The code is saved."
    code = await admin.fetchrow("SELECT * FROM promotional_codes WHERE code = 'DESK10'")
    assert (code["discount_value"], code["max_uses"], code["applicable_to"], code["renewals"]) == (10, None, None, 0)


async def test_offers_say_whether_they_apply(visit, admin):
    await admin.execute(
        """INSERT INTO promotional_codes (code, discount_type, discount_value, is_active, expires_at, max_uses, current_uses) VALUES
             ('DESKGOOD', 'percentage', 5, true, NULL, 2, 0), ('DESKOFF', 'percentage', 5, false, NULL, NULL, 0),
             ('DESKOLD', 'percentage', 5, true, now() - interval '1 hour', NULL, 0)"""
    )
    await admin.execute(
        """INSERT INTO pricing_rules (add_on_id, tier_code, discount_percent, valid_from, valid_until) VALUES
             ($1, 'early', 5, now() + interval '1 day', NULL), ($1, 'late', 5, NULL, now() - interval '1 day')""", BOLT
    )  # fmt: skip
    rows = re.findall(r"<tr>(.*?)</tr>", (await (await visit(desk="admin")).get("/desk/offers")).text, re.DOTALL)
    texts = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]
    for name, state in (("DESKGOOD", "applies"), ("DESKOFF", "off"), ("DESKOLD", "expired"), ("early", "not yet"), ("late", "ended")):
        assert [text.endswith(f" {state}") for text in texts if name in text] == [True], name


async def test_a_rule_and_a_bundle(visit, admin):
    await (await visit("ada")).post(f"/api/cart/{BOLT}", json={"quantity": 4})
    client = await visit(desk="admin")
    form = {"add_on_id": BOLT, "discount_percent": "25", "discount_amount": "0", "conditions": '{"min_quantity": 3}', "priority": "1",
            "is_active": "on", "valid_until": "2999-01-01T00:00"}  # fmt: skip
    shown = (await client.post("/desk/edit/rule/new", data=form | {"do": "simulate"})).text
    assert "$44.97" in shown  # 59.96 less a quarter
    assert await said(await client.post("/desk/edit/rule/new", data=form | {"do": "save"}), client) == "The rule is saved."
    rule = await admin.fetchrow("SELECT id, valid_from, valid_until::text FROM pricing_rules")
    assert rule["valid_from"] is None and rule["valid_until"].startswith("2999-01-01 00:00")
    # Editing replaces the rule, so that the cart is compared with what it costs now.
    page = (await client.get(f"/desk/edit/rule/{rule['id']}")).text
    form["seen"] = re.search(r'name="seen" value="([^"]+)"', page).group(1)
    shown = (await client.post(f"/desk/edit/rule/{rule['id']}", data=form | {"discount_percent": "50", "do": "simulate"})).text
    assert "$44.97" in shown and "$29.98" in shown
    form = {"name": "Two", "add_on_ids": [BOLT, VECTORS], "discount_percent": "50", "discount_amount": "0", "is_active": "on"}
    shown = (await client.post("/desk/edit/bundle/new", data=form | {"do": "simulate"})).text
    assert "No current cart would cost more or less." in shown
    assert await admin.fetchval("SELECT count(*) FROM add_on_bundles WHERE name = 'Two'") == 0


@pytest.mark.parametrize(
    ("kind", "change", "field", "message"),
    [
        ("add-on", {"category": "AI Services"}, "category", "^Must be a slug"),
        ("add-on", {"base_price": "-1"}, "base_price", "^Must be 0 or more"),
        ("add-on", {"base_price": "dear"}, "base_price", 'Invalid input syntax for type numeric: "dear"'),
        ("add-on", {"base_price": "1e12"}, "base_price", "^Must have at most two decimals and be below 100000000"),
        ("add-on", {"name": "Bolt"}, "name", r"Key \(name\)=\(Bolt\) already exists"),
        ("add-on", {"name": ""}, "name", "This cannot be empty."),
        ("add-on", {"trial_days": "0"}, "trial_days", "^Must be 1 or more"),
        ("rule", {"conditions": '{"min_quantity": 0}'}, "conditions", 'Is malformed: "min_quantity"'),
        ("rule", {"conditions": "{"}, "conditions", "This is not JSON"),
        ("rule", {"discount_percent": "101"}, "discount_percent", "^Must be from 0 to 100"),
        ("rule", {"valid_from": "2030-01-01T00:00", "valid_until": "2029-01-01T00:00"}, "valid_from", "^Must be before valid_until"),
        ("code", {"discount_value": "101"}, "discount_value", "^Must be above 0, and at most 100"),
        ("code", {"user_restrictions": '{"tier": 1}'}, "user_restrictions", 'Is malformed: "tier"'),
        ("bundle", {"add_on_ids": [BOLT]}, "add_on_ids", "^Must name at least two add-ons"),
        ("feature", {"feature_key": "gpu_hours"}, "feature_key", "already exists"),
    ],
)
async def test_what_the_table_refuses_is_said_beside_the_field(visit, admin, kind, change, field, message):
    good = {
        "add-on": {"name": "New", "category": "analytics", "base_price": "5", "billing_type": "monthly", "sort_order": "0"},
        "rule": {"add_on_id": BOLT, "discount_percent": "5", "discount_amount": "0", "priority": "0"},
        "code": {"code": "DESK", "discount_type": "percentage", "discount_value": "5", "min_purchase_amount": "0"},
        "bundle": {"name": "New", "add_on_ids": [BOLT, VECTORS], "discount_percent": "5", "discount_amount": "0"},
        "feature": {"add_on_id": BOLT, "feature_key": "new"},
    }
    client = await visit(desk="admin")
    answer = await client.post(f"/desk/edit/{kind}/new", data=good[kind] | change | {"do": "save"})
    assert answer.status_code == 422
    (place,) = re.findall(r'<p class="bad" id="wrong-(\w+)" role="alert">([^<]*)', answer.text)
    assert place[0] == field and re.search(message, html.unescape(place[1])), place
    # What was typed is still there.
    assert all(value in html.unescape(answer.text) for value in change.values() if isinstance(value, str))


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"discount_percent": "110"}, "discount_percent", "Must be from 0 to 100"),
        ({"valid_from": "2030-01-01T00:00", "valid_until": "2029-01-01T00:00"}, "valid_from", "Must be before valid_until"),
        ({"conditions": '{"colour": "red"}'}, "conditions", 'Is malformed: unknown key "colour"'),
    ],
)
async def test_a_draft_that_the_table_would_refuse(visit, admin, change, field, message):
    client = await visit(desk="admin")
    form = {"add_on_id": BOLT, "discount_percent": "5", "discount_amount": "0", "priority": "0", "do": "simulate"}
    answer = await client.post("/desk/edit/rule/new", data=form | change)
    assert answer.status_code == 422 and 'value="save"' not in answer.text
    ((place, told),) = re.findall(r'<p class="bad" id="wrong-(\w+)" role="alert">([^<]*)', answer.text)
    assert place == field and html.unescape(told).startswith(message)


async def test_two_editors_do_not_overwrite_each_other(visit, admin, spare):
    client = await visit(desk="admin")
    page = (await client.get(f"/desk/edit/add-on/{spare}")).text
    form = {"name": "Spare", "category": "analytics", "base_price": "5", "billing_type": "monthly", "sort_order": "0", "is_active": "on",
            "features": "one\n two \n\n", "do": "save", "seen": re.search(r'name="seen" value="([^"]+)"', page).group(1)}  # fmt: skip
    assert await said(await client.post(f"/desk/edit/add-on/{spare}", data=form | {"base_price": "6.5"}), client) == "The add-on is saved."
    answer = await client.post(f"/desk/edit/add-on/{spare}", data=form)
    assert answer.status_code == 422 and "Somebody has changed it since you opened it." in answer.text
    kept = await admin.fetchrow("SELECT base_price, features, trial_days, is_featured FROM add_ons WHERE id = $1", spare)
    assert tuple(kept) == (Decimal("6.50"), '["one", "two"]', None, False)


async def test_sales_at_a_glance(visit, admin):
    await buy(await visit("ada"), BOLT, code="FRIEND50")
    await buy(await visit("bob"), VECTORS)
    text = await seen(await visit(desk="admin"), "/desk/sales")
    assert "$24.98 taken in 30 days, after refunds" in text  # 9.99 and 14.99
    assert "100 % of the checkouts were paid" in text and "FRIEND50 1 1 $5.00 $9.99" in text
    assert "to come from 2 renewals within a month" in text and "Recurring revenue by month" in text
    # The level billing has the revenue, and not the codes.
    text = await seen(await visit(desk="billing"), "/desk/sales")
    assert "$24.98 taken in 30 days, after refunds" in text and "FRIEND50" not in text


async def test_repricing_renewals(visit, admin):
    await buy(await visit("ada"), BOLT)
    await admin.execute("UPDATE add_ons SET base_price = 19.99 WHERE id = $1", BOLT)
    client = await visit(desk="admin")
    assert "1 would cost something else today, together $19.99 instead of $14.99." in await seen(client, f"/desk/edit/add-on/{BOLT}")
    assert await said(await client.post(f"/desk/reprice/{BOLT}"), client) == "1 renewal costs today's price from now on."
    assert await admin.fetchval("SELECT renewal_amount FROM user_add_ons") == Decimal("19.99")
    await admin.execute("UPDATE add_ons SET base_price = 14.99 WHERE id = $1", BOLT)


async def test_health_names_the_remedy(visit, admin):
    client = await visit(desk="admin")
    assert "Everything is in order" in await seen(client, "/desk/health")
    await admin.execute("INSERT INTO pricing_rules (add_on_id, discount_percent, conditions) VALUES ($1, 5, '{\"min_quantity\": 2, \"max_quantity\": 1}')", BOLT)
    text = await seen(client, "/desk/health")
    assert "To look into" in text and "warning" in text
    await admin.execute("DELETE FROM pricing_rules")


async def test_charts():
    assert [ceiling(Decimal(value)) for value in (0, 1, 7, 11, 24, 99, 101)] == [1, 1, 10, 20, 25, 100, 200]
    drawn = columns("By <day>", [Bar("1 Jan", Decimal(50), "$50"), Bar("2 Jan", Decimal(-10), "<b>")], height=200)
    assert 'aria-label="By &lt;day&gt;"' in drawn and "<b>" not in drawn
    heights = [float(height) for height in re.findall(r'<rect [^>]* height="([\d.]+)"', drawn)]
    assert heights[0] == pytest.approx(5 * heights[1], abs=0.2) and heights[0] < 200
    widths = [float(width) for width in re.findall(r'<rect [^>]* width="([\d.]+)"', rows("t", [Bar("a", Decimal(4), ""), Bar("b", Decimal(1), "")]))]
    assert widths[0] == pytest.approx(4 * widths[1], abs=0.2)
    assert "<rect" not in columns("empty", []) and "<rect" not in rows("empty", [])
