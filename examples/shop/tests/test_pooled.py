"""The shop behind PgBouncer in transaction mode, whose sessions are those of whoever needs one."""

import asyncio
import sys

import httpx
import pytest
from shop.app import create_app
from shop.settings import Settings

from conftest import BOLT, SHOP

sys.path.append(str(SHOP.parents[1] / "tests/clients"))
from pooler import pgbouncer  # noqa: E402

pytestmark = pytest.mark.anyio


@pytest.fixture
async def pooled_app(database_url, tmp_path):
    with pgbouncer(tmp_path, "shop_under_test", ["shop_backend"]) as options:
        url = f"postgresql://shop_backend@/single?host={options['host']}&port={options['port']}"
        app = create_app(Settings(database_url=url, secret="cookies", webhook_secret="whsec_test", public_url="http://shop.test"))
        async with app.router.lifespan_context(app):
            yield app


async def test_shoppers_at_once_share_one_session_and_nothing_else(pooled_app, admin):
    async def shop(number):
        client = httpx.AsyncClient(transport=httpx.ASGITransport(pooled_app), base_url="http://shop.test")
        async with client:
            await client.post("/sign-in", data={"name": f"shopper {number}"})
            for _ in range(number + 1):
                assert (await client.post(f"/api/cart/{BOLT}")).status_code == 200
            quote = (await client.get("/api/cart")).json()
            assert (quote["user_id"], quote["item_count"]) == (f"shopper {number}", number + 1)
            started = (await client.post("/api/checkout", json={"expected_total": quote["total"]})).json()
            await client.post(started["pay_at"])
            (purchase,) = (await client.get("/api/purchases")).json()
            assert (purchase["quantity"], purchase["status"]) == (number + 1, "completed")
            return [row["name"] for row in (await client.get("/api/add-ons")).json()]

    assert await asyncio.gather(*(shop(number) for number in range(5))) == [["Bolt"]] * 5
    assert await admin.fetchval("SELECT count(DISTINCT user_id) FROM user_add_ons") == 5
