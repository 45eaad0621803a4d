"""The pages without a browser: what they say, and that they take nothing from anybody."""

import html
import re

import pytest
from shop.face import money

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


async def test_what_is_ones_own_asks_to_sign_in(visit, admin):
    client = await visit()
    assert (await client.get("/account")).headers["location"] == "/sign-in"
    assert (await client.post("/checkout", data={"expected_total": "1.00", "key": "k"})).headers["location"] == "/sign-in"
    for path in ("/account/cancel", "/account/resume", "/trial"):
        assert (await client.post(path, data={"add_on_id": BOLT})).headers["location"] == "/sign-in"
    for name in ("  ", "guest:of somebody else", "x" * 256):
        assert (await client.post("/sign-in", data={"name": name})).status_code == 422


async def test_a_guests_cart_comes_along(visit, admin):
    guest, other = await visit(), await visit()
    await put(guest, BOLT, VECTORS)
    await put(other, GPU)
    await guest.post("/cart/code", data={"code": "friend50"})
    text = await cart(guest)
    assert "$24.98" in text and "Sign in and check out" in text and 'aria-label="2 in it"' in text
    assert (await check_out(guest, text)).headers["location"] == "/sign-in"
    # Ada had a cart already: of what is in both the larger quantity stays.
    await admin.execute("SELECT add_to_cart('ada', $1, 3)", BOLT)
    assert (await guest.post("/sign-in", data={"name": "ada"})).headers["location"] == "/cart"
    text = await cart(guest)
    assert hidden(text, "expected_total") == "54.96" and "FRIEND50" in text.upper() and 'aria-label="4 in it"' in text
    assert await admin.fetchval("SELECT array_agg(DISTINCT user_id LIKE 'guest:%') FROM cart_items WHERE add_on_id <> $1", GPU) == [False]
    await guest.post("/sign-out")
    assert "There is nothing in your cart yet." in await cart(guest)
    assert "GPU Compute" in await cart(other)


PAGES = {"Accept": "text/html,application/xhtml+xml"}


async def test_what_is_not_there_has_a_page(visit, admin):
    client = await visit("ada")
    for path in ("/nowhere", "/checkout/a0000000-0000-4000-8000-000000000000", "/checkout/no-id", "/lab/nowhere", "/?skip=x"):
        answer = await client.get(path, headers=PAGES)
        assert answer.status_code == 404 and "There is nothing here" in answer.text and "<nav" in answer.text, path
    answer = await client.get("/nowhere")
    assert answer.status_code == 404 and answer.headers["content-type"] == "application/problem+json"
    assert (await client.get("/api/nowhere", headers=PAGES)).headers["content-type"] == "application/problem+json"


async def test_a_mistake_of_ours_has_a_page_that_tells_nothing(visit, admin, caplog):
    client = await visit("ada")
    await admin.execute("ALTER TABLE shop.payment_pages RENAME TO mislaid")
    answer = await client.get("/checkout/a0000000-0000-4000-8000-000000000000", headers=PAGES)
    await admin.execute("ALTER TABLE shop.mislaid RENAME TO payment_pages")
    assert answer.status_code == 500 and "Something went wrong" in answer.text and "payment_pages" not in answer.text
    assert "payment_pages" in caplog.text


async def test_a_database_that_does_not_answer(app, visit, admin, monkeypatch):
    client = await visit("ada")

    class Nobody:
        def acquire(self):
            raise ConnectionRefusedError

    monkeypatch.setattr(app.state.database, "pool", Nobody())
    answer = await client.get("/cart", headers=PAGES)
    assert answer.status_code == 503 and "Just a moment" in answer.text and answer.headers["retry-after"] == "2"
    assert 'href="/cart">Try again' in answer.text
    assert (await client.get("/api/cart")).json() == {"status": 503, "title": "try again"}


async def test_sixty_add_ons_without_descriptions_and_with_long_names(visit, admin):
    await admin.execute(
        "INSERT INTO add_ons (name, category, base_price, billing_type) SELECT 'Zzz' || repeat('x', 200) || n, 'analytics', 1234567.5, 'one_time'"
        " FROM generate_series(1, 60) n"
    )
    client = await visit()
    text = (await client.get("/", params={"category": "analytics"})).text
    seen = text.count("<article")
    assert seen == 24 and "None" not in text and "$1,234,567.50" in text
    while more := re.search(r'href="([^"]+)">More add-ons', text):
        text = (await client.get(more.group(1).replace("&amp;", "&"))).text
        seen += text.count("<article")
    assert seen == 61


async def test_what_is_no_longer_sold_can_be_removed(visit, admin):
    client = await visit("ada")
    await put(client, BOLT, GPU)
    await admin.execute("UPDATE add_ons SET is_active = false WHERE id = $1", GPU)
    text = await cart(client)
    assert re.search(r"GPU Compute</strong>[^<]*<span[^>]*>It is no longer sold", text) and "$14.99" in text
    await client.post("/cart/remove", data={"add_on_id": GPU})
    assert "no longer sold" not in await cart(client)
    assert await admin.fetchval("SELECT array_agg(add_on_id::text) FROM cart_items") == [BOLT]


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
    assert "20 % off Brigade, Bolt and Vector Search, because you have all three (Developer Pro)" in why
    assert "20 % of 49.97" in why and "not in the cart: Unicorn Orator (TTS)" in why and "49.97 - 9.99 = 39.98" in why
    await client.post("/cart/code", data={"code": "vip2025"})
    text = await cart(client)
    assert "VIP2025 cannot be used: it is for another membership." in text
    await client.post("/cart/code", data={"code": "friend50"})
    text = await cart(client)
    assert "FRIEND50 takes $5.00 off." in text and "$5.00 off everything, with your code FRIEND50" in text


async def test_a_price_in_words(visit, admin):
    client = await visit("ada")
    await put(client, VECTORS)
    assert "It is the list price: no offer, bundle or code applies to this cart." in await cart(client)
    await admin.executemany(
        "INSERT INTO pricing_rules (add_on_id, discount_percent, discount_amount, conditions, priority) VALUES ($1, $2, $3, $4, $5)",
        [
            (VECTORS, 10, 0, f'{{"min_quantity": 2, "stackable": true, "excludes_addon": ["{BOLT}"]}}', 3),
            (VECTORS, 0, 1, '{"min_subtotal": 20, "first_purchase_only": true, "stackable": true}', 2),
            (VECTORS, 50, 0, '{"min_quantity": 50}', 9),
        ],
    )
    await client.post("/cart/set", data={"add_on_id": VECTORS, "quantity": 2})
    text = html.unescape(await cart(client))
    assert "10 % off Vector Search, because you take 2 or more and you do not have Bolt: <strong class=\"good\">\u2212$3.00" in text
    assert "$1.00 a unit off Vector Search, because your cart comes to $20.00 or more and it is your first order: <strong class=\"good\">\u2212$2.00" in text
    assert "50 %" not in text[: text.index("<details>")]


async def test_quantities(visit, admin):
    client = await visit("ada")
    await put(client, BOLT)
    await client.post("/cart/set", data={"add_on_id": BOLT, "quantity": 3})
    assert "$44.97" in await cart(client)
    await client.post("/cart/set", data={"add_on_id": BOLT, "quantity": 101})
    assert "You cannot buy that many at once." in await cart(client)
    await client.post("/cart/set", data={"add_on_id": BOLT, "quantity": 0})
    assert "There is nothing in your cart yet." in await cart(client)


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
    text = (await client.get("/account")).text
    assert "GPU hours" in text and "10 hours" in text and "10 of 10 left until" in text and "completed" in text
    assert "Your subscription, from" in text and "for $14.99." in text
    assert "Yours" in (await client.get("/")).text


async def test_units_usage_and_renewals(visit, admin):
    client = await visit("ada")
    await put(client, BOLT, BOLT)
    pay_at = (await check_out(client, await cart(client))).headers["location"]
    await client.post(pay_at)
    text = (await client.get("/account")).text
    assert "2 &times; Bolt" in text and "for $29.98" in text and "20 of 20 left until" in text
    await admin.execute("SELECT marketplace.consume_feature('ada', 'gpu_hours', 12.5)")
    assert "7.5 of 20 left until" in (await client.get("/account")).text
    await admin.execute("SELECT marketplace.consume_feature('ada', 'gpu_hours', 7.5)")
    assert "All 20 used, new ones from" in (await client.get("/account")).text


async def test_giving_up_puts_everything_back(app, visit, admin):
    client = await visit("ada")
    await put(client, BOLT, VECTORS)
    await client.post("/cart/code", data={"code": "friend50"})
    pay_at = (await check_out(client, await cart(client))).headers["location"]
    order = app.state.provider.sessions[pay_at.rpartition("/")[2]].checkout_id
    assert "Waiting for your payment" in (await client.get(f"/checkout/{order}")).text
    assert "There is nothing in your cart yet." in await cart(client)
    for _ in range(2):
        assert (await client.post(f"/checkout/{order}/give-up")).headers["location"] == "/cart"
        text = await cart(client)
        assert "Bolt" in text and "Vector Search" in text and "FRIEND50 takes $5.00 off." in text and "$24.98" in text
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
    assert "Thank you" in (await client.get(order)).text and "There is nothing in your cart yet." in await cart(client)


async def test_cancelling_and_renewing_after_all(visit, admin):
    client = await visit("ada")
    await put(client, BOLT, VECTORS)
    await client.post((await check_out(client, await cart(client))).headers["location"])
    text = (await client.get("/account")).text
    assert "Paid together with Vector Search: they renew and end together." in text

    async def act(what):
        assert (await client.post(f"/account/{what}", data={"add_on_id": BOLT})).headers["location"] == "/account"
        return (await client.get("/account")).text

    renews = "SELECT array_agg(auto_renew) FROM user_add_ons"
    text = await act("cancel")
    assert "It will not renew. You have it until" in text and text.count("Renew after all") == 2
    assert await admin.fetchval(renews) == [False, False] and await admin.fetchval("SELECT has_add_on('ada', $1)", BOLT)
    assert "It renews again." in await act("resume")
    assert await admin.fetchval(renews) == [True, True]
    # What somebody else has is none of one's business.
    other = await visit("bob")
    await other.post("/account/cancel", data={"add_on_id": BOLT})
    assert "You do not have that add-on." in (await other.get("/account")).text
    assert await admin.fetchval(renews) == [True, True]


async def test_a_trial(visit, admin):
    await admin.execute("UPDATE add_ons SET trial_days = 14 WHERE id = $1", BOLT)
    client = await visit("ada")
    assert "Try it for 14 days" in (await client.get("/")).text
    await client.post("/trial", data={"add_on_id": BOLT})
    text = (await client.get("/account")).text
    assert "Your trial has begun." in text and "Your trial, from" in text
    await client.post("/trial", data={"add_on_id": BOLT})
    assert "You have tried this one already." in (await client.get("/account")).text
    await admin.execute("UPDATE add_ons SET trial_days = NULL WHERE id = $1", BOLT)


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [("1234.5", "USD", "$1,234.50"), ("-0.5", "USD", "\u2212$0.50"), ("1234567", "JPY", "\u00a51,234,567"), ("-1000", "CHF", "\u22121,000.00\u00a0CHF"),
     ("0", "EUR", "\u20ac0.00"), ("5000", "KRW", "5,000\u00a0KRW")],
)  # fmt: skip
async def test_money(amount, currency, shown):
    assert money(amount, currency) == shown
