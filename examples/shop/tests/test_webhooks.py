"""Only what Stripe signed gets to the database, whatever it says."""

import hashlib
import hmac
import json
import time

import pytest
from shop.webhooks import is_signed

from conftest import BOLT

SECRET = "whsec_test"


def signature(body, stamp, secret=SECRET):
    return hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


def test_the_scheme():
    # Computed with: printf '1767225600.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test
    body, digest = b'{"id":"evt_1"}', "45b40331de0325606dc5400202ade162460fbe48daf9401adfdcd0d7b4f35470"
    assert is_signed(body, f"t=1767225600,v1={digest}", SECRET, 1767225600)
    assert is_signed(body, f"t=1767225600,v1={'0' * 64},v1={digest},v0={digest}", SECRET, 1767225600 + 299)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=,v1=",
        "v1=GOOD",
        "t=1767225600",
        "t=1767225600,v0=GOOD",
        "t=1767225600,v1=",
        "t=1767225601,v1=GOOD",
        "t=1767225600,t=1767225600,v1=GOOD",
        "t=1767225600.0,v1=GOOD",
        "t=\u0661\u0667,v1=GOOD",
        "t=1767225600,v1=\u00e9",
        "GOOD",
    ],
)
def test_what_is_not_signed(header):
    body = b'{"id":"evt_1"}'
    header = header.replace("GOOD", signature(body, 1767225600))
    assert not is_signed(body, header, SECRET, 1767225600)


def test_what_is_changed_old_or_signed_with_another_secret():
    body, stamp = b'{"id":"evt_1"}', 1767225600
    good = f"t={stamp},v1={signature(body, stamp)}"
    assert is_signed(body, good, SECRET, stamp)
    assert not is_signed(body + b" ", good, SECRET, stamp)
    assert not is_signed(body, good, SECRET, stamp + 301)
    assert not is_signed(body, good, SECRET, stamp - 301)
    assert not is_signed(body, good, "whsec_other", stamp)


async def post(client, event, secret=SECRET):
    body, stamp = json.dumps(event).encode() if not isinstance(event, bytes) else event, int(time.time())
    headers = {"Stripe-Signature": f"t={stamp},v1={signature(body, stamp, secret)}"}
    return await client.post("/webhooks/stripe", content=body, headers=headers)


def paid(checkout_id, amount):
    session = {
        "id": "cs_1", "client_reference_id": checkout_id, "payment_intent": "pi_1", "payment_status": "paid", "amount_total": amount,
        "currency": "usd",
    }  # fmt: skip
    return {"id": "evt_1", "type": "checkout.session.completed", "created": 1767225600, "data": {"object": session}}


@pytest.mark.anyio
async def test_nobody_says_that_they_have_paid(visit, admin):
    client = await visit("eve")
    await client.post(f"/api/cart/{BOLT}")
    checkout = (await client.post("/api/checkout", json={})).json()["checkout_id"]
    event = paid(checkout, 1499)
    for answer in (await client.post("/webhooks/stripe", json=event), await post(client, event, "whsec_guessed")):
        assert answer.status_code == 400 and answer.json()["title"] == "the signature is not Stripe's"
    assert (await client.get("/api/add-ons")).json() == []
    answer = await post(client, event)
    assert (answer.status_code, answer.json()["action"]) == (200, "completed")
    assert len((await client.get("/api/add-ons")).json()) == 1


@pytest.mark.anyio
async def test_another_amount_is_refused_and_told_to_people(visit, admin, caplog):
    client = await visit("eve")
    await client.post(f"/api/cart/{BOLT}")
    checkout = (await client.post("/api/checkout", json={})).json()["checkout_id"]
    answer = await post(client, paid(checkout, 1))
    assert (answer.status_code, answer.json()["action"]) == (200, "refused")
    assert "needs a person" in caplog.text and checkout
    assert (await client.get("/api/add-ons")).json() == []


@pytest.mark.anyio
async def test_answers_make_stripe_try_again_or_not(visit, admin):
    client = await visit()
    unknown = await post(client, paid("a0000000-0000-4000-8000-00000000ffff", 1))
    assert (unknown.status_code, unknown.json()["action"], unknown.json()["retry"]) == (503, "not_found", True)
    foreign = {"id": "pi_of_somebody", "status": "succeeded", "amount": 1, "amount_received": 1, "currency": "usd"}
    foreign = await post(client, {"id": "evt_3", "type": "payment_intent.succeeded", "data": {"object": foreign}})
    assert (foreign.status_code, foreign.json()["action"], foreign.json()["retry"]) == (200, "not_ours", False)
    other = await post(client, {"id": "evt_2", "type": "customer.created", "data": {"object": {}}})
    assert (other.status_code, other.json()["action"]) == (200, "ignored")
    assert (await post(client, {"type": 7})).json()["code"] == "malformed_argument"
    for body in (b"{", b"\xff", b'{"a": "\\u0000"}'):
        assert (await post(client, body)).status_code == 400
