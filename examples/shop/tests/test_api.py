"""The JSON endpoints, end to end: application, database, and a provider that speaks as Stripe does."""

import json
import time
from decimal import Decimal
from uuid import uuid4

import pytest

from conftest import BOLT, BRIGADE, DEVELOPER_PRO, GPU, VECTORS

pytestmark = pytest.mark.anyio


async def fill_cart(client, *add_ons):
    for add_on in add_ons or (BRIGADE, BOLT, VECTORS):
        answer = await client.post(f"/api/cart/{add_on}")
        assert answer.status_code == 200, answer.text


async def check_out(client, **order):
    answer = await client.post("/api/checkout", json=order, headers={"Idempotency-Key": str(uuid4())})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def owned(client):
    return sorted(row["name"] for row in (await client.get("/api/add-ons")).json())


async def test_the_catalog_needs_nobody_to_sign_in(visit, admin):
    client = await visit()
    rows = (await client.get("/api/catalog")).json()
    assert len(rows) == 9 == rows[0]["total_count"] and rows[0]["name"] == "Unicorn Orator (TTS)"
    assert [row["name"] for row in (await client.get("/api/catalog", params={"search": "bol"})).json()] == ["Bolt"]
    cheap = await client.get("/api/catalog", params={"category": "ai-services", "max_price": "10", "max_rows": 1, "skip": 1})
    assert [row["name"] for row in cheap.json()] == ["Amanuensis (STT)"]
    assert [row["add_ons"] for row in (await client.get("/api/catalog/categories")).json()] == [3, 1, 1, 2, 2]
    for path in ("/api/cart", "/api/purchases", "/api/features", "/api/promo/X"):
        assert (await client.get(path)).status_code == 401


async def test_amounts_come_to_the_cent(visit, admin):
    client = await visit("ada")
    await admin.execute("UPDATE add_ons SET base_price = 20.00 WHERE id = $1", GPU)
    assert '"base_price":20.00' in (await client.get("/api/catalog", params={"feature_key": "gpu_models"})).text
    await admin.execute("UPDATE add_ons SET base_price = 49.99 WHERE id = $1", GPU)
    await fill_cart(client, BRIGADE)
    assert json.loads((await client.get("/api/cart")).text, parse_float=Decimal)["total"] == Decimal("19.99")


async def test_a_cart(visit, admin):
    client = await visit("ada")
    assert (await client.post(f"/api/cart/{BOLT}")).json()[0]["quantity"] == 1
    assert (await client.post(f"/api/cart/{BOLT}", json={"quantity": 2})).json()[0]["quantity"] == 3
    assert (await client.put(f"/api/cart/{BOLT}", json={"quantity": 5})).json()[0]["quantity"] == 5
    assert (await client.get("/api/cart")).json()["total"] == 74.95
    assert [(line["name"], line["quantity"], line["total"]) for line in (await client.get("/api/cart/lines")).json()] == [("Bolt", 5, 74.95)]
    assert (await client.delete(f"/api/cart/{BOLT}")).json() is True
    assert (await client.delete(f"/api/cart/{BOLT}")).json() is False
    await fill_cart(client)
    assert (await client.get("/api/cart", params={"promo_code": "friend50"})).json()["total"] == 34.98
    steps = (await client.get("/api/cart/explanation", params={"promo_code": "vip2025"})).json()
    assert any(step["detail"].startswith("the tier is one of") for step in steps)
    assert (await client.delete("/api/cart")).json() == 3


async def test_carts_are_their_owners(visit, admin):
    ada, bob = await visit("ada"), await visit("bob")
    await fill_cart(ada, BOLT)
    assert (await bob.get("/api/cart")).json()["lines"] == []
    assert (await bob.delete("/api/cart")).json() == 0
    assert (await ada.get("/api/cart")).json()["item_count"] == 1


async def test_a_code(visit, admin):
    client = await visit("ada")
    await fill_cart(client, BOLT)
    (row,) = (await client.get("/api/promo/launch2025")).json()
    assert row["valid"] is True and row["final_total"] == 11.99  # 20 % of 14.99 are 3.00
    (row,) = (await client.get("/api/promo/vip2025")).json()
    assert row["valid"] is False and row["reasons"] == ["tier_not_allowed"]


async def test_a_subscription_from_cart_to_features(app, visit, admin):
    client = await visit("ada")
    await fill_cart(client)
    started = await check_out(client, promo_code="FRIEND50", expected_total=34.98)
    session = app.state.provider.session_of(started["checkout_id"])
    assert session.total == 3498 and session.mode == "subscription" and session.url == started["pay_at"]
    assert await owned(client) == []
    page = await client.get(started["pay_at"])
    assert "34.98 USD" in page.text
    paid = await client.post(started["pay_at"])
    assert paid.headers["location"] == f"http://shop.test/checkout/{started['checkout_id']}"
    assert await owned(client) == ["Bolt", "Brigade", "Vector Search"]
    assert {status for _, status in app.state.provider.deliveries} == {200}
    features = (await client.get("/api/features")).json()
    assert {"gpu_hours", "agent_platform", "vector_database"} <= {feature["feature_key"] for feature in features}
    assert (await client.get("/api/features/gpu_hours")).json() == {"limit": 10, "unit": "hours", "priority": False}
    assert (await client.get("/api/features/ocr")).status_code == 404
    history = (await client.get("/api/purchases", params={"status": "completed"})).json()
    assert sum(Decimal(str(row["amount"])) for row in history) == Decimal("34.98")
    assert await admin.fetchval("SELECT current_uses FROM promotional_codes WHERE code = 'FRIEND50'") == 1


async def test_what_the_provider_tells_later(app, visit, admin):
    client, provider = await visit("ada"), app.state.provider
    await fill_cart(client, BOLT)
    session = provider.session_of((await check_out(client))["checkout_id"])
    await provider.pay(session)
    end = int(time.time()) + 90 * 86_400
    await provider.renew(session, end)
    assert await admin.fetchval("SELECT extract(epoch FROM expires_at)::bigint FROM user_add_ons") == end
    refund = await provider.refund(session, 500)
    refunded = "SELECT refund_amount FROM add_on_purchases WHERE checkout_id IS NOT NULL"
    assert await admin.fetchval(refunded) == Decimal("5.00")
    await provider.fail_refund(session, refund)
    assert await admin.fetchval(refunded) == Decimal("0.00")
    await provider.refund(session, 500)
    dispute = await provider.dispute(session)
    assert await admin.fetchval("SELECT status FROM add_on_purchases WHERE checkout_id IS NOT NULL") == "disputed"
    await provider.decide(session, dispute, "won")
    assert await owned(client) == ["Bolt"]
    await provider.refund(session, 999)
    statuses = "SELECT array_agg(status ORDER BY purchased_at, checkout_id IS NULL) FROM add_on_purchases"
    assert await admin.fetchval(statuses) == ["refunded", "completed"]
    assert await owned(client) == ["Bolt"]  # the renewal still pays for it
    assert {status for _, status in provider.deliveries} == {200}


async def test_a_bank_debit_takes_days(app, visit, admin):
    client, provider = await visit("ada"), app.state.provider
    await fill_cart(client, BOLT)
    checkout = (await check_out(client))["checkout_id"]
    session = provider.session_of(checkout)
    await provider.pay_by_bank_debit(session)
    assert await owned(client) == [] and await admin.fetchval("SELECT status FROM add_on_purchases") == "pending"
    # Nobody is asked to pay again meanwhile.
    waiting = await client.get(f"/checkout/{checkout}")
    assert "Your payment is on its way" in waiting.text and session.url not in waiting.text and "Back to the cart" not in waiting.text
    desk = await visit(desk="support")
    assert "The payment is on its way" in (await desk.get(f"/desk/orders/{checkout}")).text
    await admin.execute("UPDATE add_on_purchases SET purchased_at = now() - interval '3 days'")
    await admin.fetch("SELECT * FROM run_maintenance()")
    await provider.clear(session)
    assert await owned(client) == ["Bolt"]
    assert {status for _, status in provider.deliveries} == {200}


async def test_a_bank_debit_that_bounces_puts_everything_back(app, visit, admin):
    client, provider = await visit("ada"), app.state.provider
    await fill_cart(client, BOLT)
    session = provider.session_of((await check_out(client))["checkout_id"])
    await provider.pay_by_bank_debit(session)
    await provider.bounce(session)
    assert await admin.fetchval("SELECT status FROM add_on_purchases") == "failed"
    assert [line["name"] for line in (await client.get("/api/cart")).json()["lines"]] == ["Bolt"]


async def test_a_part_of_a_payment_is_lost_in_a_dispute(app, visit, admin):
    client, provider = await visit("ada"), app.state.provider
    await fill_cart(client, BOLT)
    session = provider.session_of((await check_out(client))["checkout_id"])
    await provider.pay(session)
    dispute = await provider.dispute(session, 499)
    assert "Your bank has asked for the money back" in (await client.get(f"/checkout/{session.checkout_id}")).text
    assert await owned(client) == []
    await provider.decide(session, dispute, "lost")
    assert await owned(client) == ["Bolt"]
    assert await admin.fetchval("SELECT refund_amount FROM add_on_purchases") == Decimal("4.99")


async def test_a_cancellation_in_the_portal_lets_the_period_run_out(app, visit, admin):
    client, provider = await visit("ada"), app.state.provider
    await fill_cart(client, BOLT)
    session = provider.session_of((await check_out(client))["checkout_id"])
    await provider.pay(session)
    await provider.cancel(session)
    (row,) = (await client.get("/api/add-ons")).json()
    assert row["auto_renew"] is False


async def test_a_code_for_the_first_payment_is_a_coupon(app, visit, admin):
    """Renewals cost what they cost without the code."""
    client, provider = await visit("ada"), app.state.provider
    await fill_cart(client, BOLT)
    session = provider.session_of((await check_out(client, promo_code="FRIEND50", expected_total=9.99))["checkout_id"])
    assert (session.total, session.discount, session.charged(2)) == (999, 500, 1499)
    assert provider.coupons[session.checkout_id]["amount_off"] == "500"
    await provider.pay(session)
    await provider.renew(session, int(time.time()) + 60 * 86_400)
    amounts = "SELECT array_agg(amount ORDER BY checkout_id IS NULL) FROM add_on_purchases"
    assert await admin.fetchval(amounts) == [Decimal("9.99"), Decimal("14.99")]


async def test_what_cannot_be_paid_is_not_sold(app, visit, admin):
    await admin.execute("UPDATE add_ons SET base_price = 0.20 WHERE id = $1", BOLT)
    client = await visit("ada")
    await fill_cart(client, BOLT)
    answer = await client.post("/api/checkout", json={})
    await admin.execute("UPDATE add_ons SET base_price = 14.99 WHERE id = $1", BOLT)
    assert (answer.status_code, answer.json()["code"]) == (422, "not_payable")
    assert (await client.get("/api/cart")).json()["item_count"] == 1 and app.state.provider.sessions == {}
    assert await admin.fetchval("SELECT count(*) FROM add_on_purchases") == 0


async def test_a_subscription_that_ends(app, visit, admin):
    client, provider = await visit("ada"), app.state.provider
    await fill_cart(client, BOLT)
    session = provider.session_of((await check_out(client))["checkout_id"])
    await provider.pay(session)
    assert await owned(client) == ["Bolt"]
    await provider.end(session)
    assert await owned(client) == []


async def test_a_payment_that_happens_once(app, visit, admin):
    """What is paid once, and not by the month, is another kind of session with other events."""
    await admin.execute("UPDATE add_ons SET billing_type = 'one_time' WHERE id = $1", GPU)
    client, provider = await visit("ada"), app.state.provider
    await fill_cart(client, GPU)
    session = provider.session_of((await check_out(client))["checkout_id"])
    await provider.pay(session)
    await admin.execute("UPDATE add_ons SET billing_type = 'monthly' WHERE id = $1", GPU)
    assert session.mode == "payment" and session.subscription is None
    (row,) = (await client.get("/api/add-ons")).json()
    assert (row["name"], row["expires_at"]) == ("GPU Compute", None)


async def test_pressing_the_button_twice_is_one_checkout(app, visit, admin):
    client = await visit("ada")
    await fill_cart(client, BOLT)
    headers = {"Idempotency-Key": "tab 1"}
    first, second = [await client.post("/api/checkout", json={"expected_total": 14.99}, headers=headers) for _ in range(2)]
    assert first.json() == second.json() and len(app.state.provider.sessions) == 1
    other = await client.post("/api/checkout", json={"expected_total": 1}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_nothing_to_pay_needs_no_provider(app, visit, admin):
    insert = "INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES ('GIFT', 'percentage', 100)"
    await admin.execute(insert)
    client = await visit("ada")
    await fill_cart(client, BOLT)
    started = await check_out(client, promo_code="gift")
    assert started["pay_at"] is None and app.state.provider.sessions == {}
    assert await owned(client) == ["Bolt"]
    await admin.execute("UPDATE promotional_codes SET is_active = false WHERE code = 'GIFT'")


async def test_a_provider_that_fails_can_be_asked_again(app, visit, admin):
    client = await visit("ada")
    await fill_cart(client, BOLT)
    api, app.state.provider.api.routes[:] = list(app.state.provider.api.routes), []
    headers = {"Idempotency-Key": "tab 1"}
    answer = await client.post("/api/checkout", json={}, headers=headers)
    assert answer.status_code == 502
    app.state.provider.api.routes[:] = api
    answer = await client.post("/api/checkout", json={}, headers=headers)
    assert answer.status_code == 201 and answer.json()["pay_at"]
    assert await admin.fetchval("SELECT count(DISTINCT checkout_id) FROM add_on_purchases") == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", f"/api/cart/{BOLT}", {"quantity": 101}, 422, "quantity_limit"),
        ("POST", f"/api/cart/{BOLT}", {"quantity": 0}, 400, "invalid_quantity"),
        ("POST", "/api/cart/a0000000-0000-4000-8000-00000000ffff", {}, 404, "add_on_not_found"),
        ("POST", f"/api/cart/{GPU}", {}, 409, "add_on_not_for_sale"),
        ("POST", "/api/checkout", {"promo_code": "nope"}, 422, "promo_refused"),
        ("POST", "/api/checkout", {"expected_total": 1}, 409, "price_changed"),
        ("GET", "/api/catalog?max_rows=-1", None, 400, "invalid_count"),
    ],
)
async def test_refusals(visit, admin, method, path, body, status, code):
    await admin.execute("UPDATE add_ons SET is_active = false WHERE id = $1", GPU)
    client = await visit("ada")
    await fill_cart(client, BRIGADE)
    answer = await client.request(method, path, json=body)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["status"]) == (status, code, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "\n" not in problem["title"] and problem["detail"] and problem["hint"] and "code:" not in problem["detail"]


async def test_other_mistakes_say_nothing_of_the_inside(visit, admin):
    client = await visit("ada")
    answer = await client.get("/api/catalog", params={"search": "a\0b"})
    assert answer.status_code == 400 and set(answer.json()) == {"status", "title"}
    answer = await client.post(f"/api/cart/{BOLT}", json={"quantity": 2**40})
    assert answer.status_code == 400 and "int" not in answer.json()["title"]


async def test_an_empty_cart_cannot_be_bought(visit, admin):
    client = await visit("ada")
    answer = await client.post("/api/checkout", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "empty_cart")


async def test_the_middleware_lets_in_who_has_the_feature(app, visit, admin):
    nobody, client = await visit(), await visit("ada")
    assert (await nobody.get("/lab/gpu")).status_code == 401
    assert (await client.get("/lab/gpu/models")).status_code == 402
    assert "gpu_hours" in (await client.get("/lab/gpu")).json()["hint"]
    assert (await client.get("/lab/gpus")).status_code == 404  # only whole parts of a path are guarded
    page = await client.get("/lab/gpu", headers={"Accept": "text/html"})
    assert page.headers["location"] == "/?feature_key=gpu_hours"
    await fill_cart(client, BOLT)
    session = app.state.provider.session_of((await check_out(client))["checkout_id"])
    await app.state.provider.pay(session)
    assert "10 hours" in (await client.get("/lab/gpu")).text
    await app.state.provider.refund(session, session.total)
    assert (await client.get("/lab/gpu")).status_code == 402


async def test_nobody_reads_or_gives_up_orders_of_others(app, visit, admin):
    ada, bob = await visit("ada"), await visit("bob")
    await fill_cart(ada, BOLT)
    checkout = (await check_out(ada))["checkout_id"]
    assert (await bob.get(f"/checkout/{checkout}")).status_code == 404
    await bob.post(f"/checkout/{checkout}/give-up")
    assert app.state.provider.session_of(checkout).status == "open"
    assert await admin.fetchval("SELECT status FROM add_on_purchases") == "pending"
    assert (await bob.get("/api/purchases")).json() == []
