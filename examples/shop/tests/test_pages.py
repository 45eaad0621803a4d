"""The pages without a browser: what they say, and that they take nothing from anybody."""

import re

import pytest

from conftest import BOLT, BRIGADE, GPU, VECTORS

pytestmark = pytest.mark.anyio


async def put(client, *add_ons):
    for add_on in add_ons:
        answer = await client.post("/cart/add", data={"add_on_id": add_on})
        assert answer.headers["location"] == "/cart"


async def cart(client):
    page = await client.get("/cart")
    assert page.status_code == 200
    return page.text


def hidden(text, name):
    return re.search(f'name="{name}" value="([^"]*)"', text).group(1)


async def check_out(client, text):
    form = {name: hidden(text, name) for name in ("expected_total", "key")}
    return await client.post("/checkout", data=form)


async def test_the_catalog(visit, admin):
    client = await visit()
    text = (await client.get("/")).text
    assert text.count("<article") == 9 and "$19.99" in text and "GPU hours" in text
    assert (await client.get("/", params={"category": "productivity"})).text.count("<article") == 2
    assert (await client.get("/", params={"search": "no such thing"})).text.count("<article") == 0
    await admin.execute("UPDATE add_ons SET is_active = false WHERE id = $1", GPU)
    assert (await client.get("/")).text.count("<article") == 8


async def test_pages_of_ones_own_ask_to_sign_in(visit, admin):
    client = await visit()
    for path in ("/cart", "/features"):
        assert (await client.get(path)).headers["location"] == "/sign-in"
    assert (await client.post("/cart/add", data={"add_on_id": BOLT})).headers["location"] == "/sign-in"
    assert (await client.post("/sign-in", data={"name": "  "})).status_code == 422
    assert (await client.get("/nowhere")).status_code == 404


@pytest.mark.parametrize("user", ["<script>alert(1)</script>", "O'Brien \"& sons\"", "zo\u00eb"])
async def test_names_are_only_names(visit, admin, user):
    client = await visit(user)
    await put(client, BOLT)
    text = await cart(client)
    assert "<script>" not in text and "Bolt" in text
    assert await admin.fetchval("SELECT user_id FROM cart_items") == user


async def test_a_cart_says_why(visit, admin):
    client = await visit("ada")
    await put(client, BRIGADE, BOLT, VECTORS)
    text = await cart(client)
    assert "$49.97" in text and "$39.98" in text and "Developer Pro" in text
    why = text[text.index("Why this price?") :]
    assert "20 % of 49.97" in why and "not in the cart: Unicorn Orator (TTS)" in why and "49.97 - 9.99 = 39.98" in why
    await client.post("/cart/code", data={"code": "vip2025"})
    text = await cart(client)
    assert "VIP2025 cannot be used: it is for another membership." in text
    await client.post("/cart/code", data={"code": "friend50"})
    assert "FRIEND50 takes $5.00 off." in await cart(client)


async def test_quantities(visit, admin):
    client = await visit("ada")
    await put(client, BOLT)
    await client.post("/cart/set", data={"add_on_id": BOLT, "quantity": 3})
    assert "$44.97" in await cart(client)
    await client.post("/cart/set", data={"add_on_id": BOLT, "quantity": 101})
    assert "That many cannot be bought at once." in await cart(client)
    await client.post("/cart/set", data={"add_on_id": BOLT, "quantity": 0})
    assert "Nothing is in it yet." in await cart(client)


async def test_a_price_that_changed_is_shown_before_it_is_paid(visit, admin):
    client = await visit("ada")
    await put(client, BOLT)
    text = await cart(client)
    await admin.execute("UPDATE add_ons SET base_price = 15.99 WHERE id = $1", BOLT)
    assert (await check_out(client, text)).headers["location"] == "/cart"
    text = await cart(client)
    assert "The price has changed." in text and "$15.99" in text
    assert "The price has changed." not in await cart(client)
    assert "/provider/pay/" in (await check_out(client, text)).headers["location"]
    await admin.execute("UPDATE add_ons SET base_price = 14.99 WHERE id = $1", BOLT)


async def test_paying(visit, admin):
    client = await visit("ada")
    await put(client, BOLT)
    pay_at = (await check_out(client, await cart(client))).headers["location"]
    assert "14.99 USD" in (await client.get(pay_at)).text
    order = (await client.post(pay_at)).headers["location"]
    assert "Thank you" in (await client.get(order)).text
    text = (await client.get("/features")).text
    assert "GPU hours" in text and "10 hours" in text and "completed" in text
    assert "Yours" in (await client.get("/")).text


async def test_units_usage_and_renewals(visit, admin):
    client = await visit("ada")
    await put(client, BOLT, BOLT)
    pay_at = (await check_out(client, await cart(client))).headers["location"]
    await client.post(pay_at)
    text = (await client.get("/features")).text
    assert "2 &times; Bolt" in text and "for $29.98" in text and "20 of 20 left until" in text
    await admin.execute("SELECT marketplace.consume_feature('ada', 'gpu_hours', 12.5)")
    assert "7.5 of 20 left until" in (await client.get("/features")).text
    await admin.execute("SELECT marketplace.consume_feature('ada', 'gpu_hours', 7.5)")
    assert "All 20 used, new ones from" in (await client.get("/features")).text


async def test_giving_up_puts_everything_back(app, visit, admin):
    client = await visit("ada")
    await put(client, BOLT, VECTORS)
    await client.post("/cart/code", data={"code": "friend50"})
    pay_at = (await check_out(client, await cart(client))).headers["location"]
    order = app.state.provider.sessions[pay_at.rpartition("/")[2]].checkout_id
    assert "Waiting for your payment" in (await client.get(f"/checkout/{order}")).text
    assert "Nothing is in it yet." in await cart(client)
    for _ in range(2):
        assert (await client.post(f"/checkout/{order}/give-up")).headers["location"] == "/cart"
        text = await cart(client)
        assert "Bolt" in text and "Vector Search" in text and "$29.98" in text
    assert await admin.fetchval("SELECT current_uses FROM promotional_codes WHERE code = 'FRIEND50'") == 0
    # What was given up can no longer be paid.
    await client.post(pay_at)
    assert (await client.get("/api/add-ons")).json() == []


async def test_what_is_paid_cannot_be_given_up(app, visit, admin):
    client = await visit("ada")
    await put(client, BOLT)
    pay_at = (await check_out(client, await cart(client))).headers["location"]
    order = (await client.post(pay_at)).headers["location"]
    answer = await client.post(f"{order}/give-up")
    assert answer.headers["location"].endswith(order.removeprefix("http://shop.test"))
    assert "Thank you" in (await client.get(order)).text and "Nothing is in it yet." in await cart(client)
