"""examples/reconcile_stripe.py: what the webhooks did not tell is fetched, through pages, and told."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from decimal import Decimal

import pytest
import uvicorn

from conftest import BOLT, BRIGADE, SHOP

pytestmark = pytest.mark.anyio

SCRIPT = SHOP.parent / "reconcile_stripe.py"


@pytest.fixture
async def api(app):
    """The provider's API on an address of its own."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app.state.provider.api, port=port, log_level="error"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


async def reconcile(api, *arguments, key="sk_test"):
    environment = os.environ | {"STRIPE_KEY": key, "PGDATABASE": "shop_under_test"}
    command = [sys.executable, str(SCRIPT), "--api", api, "--schema", "marketplace", *arguments]
    run = lambda: subprocess.run(command, env=environment, capture_output=True, text=True)
    return await asyncio.to_thread(run)


async def buy(client, *add_ons):
    for add_on in add_ons:
        await client.post(f"/api/cart/{add_on}")
    return (await client.post("/api/checkout", json={})).json()["checkout_id"]


async def owned(client):
    return sorted(row["name"] for row in (await client.get("/api/add-ons")).json())


async def test_what_was_missed_is_caught_up(app, visit, admin, api):
    ada, bob, cy, provider = await visit("ada"), await visit("bob"), await visit("cy"), app.state.provider
    sessions = [provider.session_of(await buy(client, BOLT)) for client in (ada, bob, cy)]
    provider.is_cut_off = True
    for session in sessions:
        await provider.pay(session)
    await provider.refund(sessions[1], 1499)
    await provider.renew(sessions[2], int(time.time()) + 60 * 86_400)
    assert provider.deliveries == [] and await owned(ada) == []
    done = await reconcile(api)
    assert done.returncode == 0, done.stderr
    assert "\tcompleted\tt" in done.stdout
    assert (await owned(ada), await owned(bob), await owned(cy)) == (["Bolt"], [], ["Bolt"])
    amounts = "SELECT array_agg(status ORDER BY status) FROM add_on_purchases"
    assert await admin.fetchval(amounts) == ["completed", "completed", "completed", "refunded"]
    again = await reconcile(api)
    assert (again.returncode, again.stdout) == (0, ""), again.stderr


async def test_what_the_webhooks_told_changes_nothing(app, visit, admin, api):
    client, provider = await visit("ada"), app.state.provider
    session = provider.session_of(await buy(client, BOLT, BRIGADE))
    await provider.pay(session)
    await provider.refund(session, 700)
    books = "SELECT array_agg((status, refund_amount, subscription_ends_at)::text ORDER BY add_on_id) FROM add_on_purchases"
    before = await admin.fetchval(books)
    done = await reconcile(api)
    assert done.returncode == 0, done.stderr
    assert await admin.fetchval(books) == before
    assert await admin.fetchval("SELECT sum(refund_amount) FROM add_on_purchases") == Decimal("7.00")
    assert (await reconcile(api)).stdout == ""


async def test_pages_follow_pages(app, visit, admin, api):
    """More than a page of what is not ours, before and after what is."""
    client, provider = await visit("ada"), app.state.provider
    provider.is_cut_off = True
    session = provider.session_of(await buy(client, BOLT))
    await provider.pay(session)
    about = next(iter(provider.objects["payment_intents"].values()))
    for number in range(250):
        foreign = about | {"id": f"pi_foreign_{number}", "created": session.created + number % 2, "metadata": {}}
        provider.objects["payment_intents"][foreign["id"]] = foreign
    done = await reconcile(api)
    assert done.returncode == 0, done.stderr
    assert await owned(client) == ["Bolt"]


async def test_how_far_it_goes_back(app, visit, admin, api):
    client, provider = await visit("ada"), app.state.provider
    provider.is_cut_off = True
    session = provider.session_of(await buy(client, BOLT))
    session.created -= 10 * 86_400
    await provider.pay(session)
    for found in provider.objects.values():
        for about in found.values():
            about["created"] = session.created
    assert (await reconcile(api, "--days", "3")).stdout == "" and await owned(client) == []
    assert (await reconcile(api, "--days", "30")).returncode == 0 and await owned(client) == ["Bolt"]


async def test_what_the_provider_refuses_is_said(app, admin, api):
    refused = await reconcile(api, key="pk_wrong")
    assert refused.returncode != 0 and "the provider answers 401" in refused.stderr
    missing = await reconcile(api, key="")
    assert missing.returncode != 0 and "set STRIPE_KEY" in missing.stderr
