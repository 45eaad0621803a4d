"""The libpq environment variables say where a server is on which databases and roles can be made."""

import os
import pathlib
import subprocess
import sys

import asyncpg
import httpx
import pytest

SHOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SHOP))

from shop.app import create_app  # noqa: E402
from shop.settings import Settings  # noqa: E402

BRIGADE, BOLT, VECTORS, GPU = (f"a0000000-0000-4000-8000-00000000000{number}" for number in (3, 4, 8, 9))
# 19.99 + 14.99 + 14.99 are 49.97; the bundle Developer Pro takes 20 % off, which is 9.99.
DEVELOPER_PRO = 39.98


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


def psql(database, *arguments):
    command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, *arguments]
    done = subprocess.run(command, cwd=SHOP, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def database_url():
    """A database that is set up as the README says, and reached as shop_backend."""
    psql("postgres", "-c", "DROP DATABASE IF EXISTS shop_under_test", "-c", "CREATE DATABASE shop_under_test")
    psql("shop_under_test", "-f", "setup.sql")
    yield f"postgresql://shop_backend@/shop_under_test?host={os.environ['PGHOST']}"
    psql("postgres", "-c", "DROP DATABASE shop_under_test WITH (FORCE)")


def settings_for(database_url, public_url="http://shop.test"):
    """The shop with its desk, whose keys are named as their levels."""
    return Settings(
        database_url=database_url, secret="cookies", webhook_secret="whsec_test", public_url=public_url,
        desk_database_url=database_url.replace("shop_backend@", "desk_backend@"),
        desk_keys={level: f"key of {level}" for level in ("support", "billing", "admin")},
    )  # fmt: skip


@pytest.fixture
async def app(database_url):
    app = create_app(settings_for(database_url))
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def admin(database_url):
    """The superuser's connection, to arrange what is sold and to look at what came of it."""
    connection = await asyncpg.connect(database="shop_under_test", server_settings={"search_path": "marketplace"})
    yield connection
    await connection.execute("UPDATE add_ons SET is_active = true")
    problems = await connection.fetch("SELECT check_name, detail FROM check_marketplace() WHERE NOT ok")
    await connection.execute(
        """TRUNCATE cart_items, add_on_purchases, user_add_ons, pricing_rules;
           DELETE FROM add_ons WHERE id::text NOT LIKE 'a0000000-%'; DELETE FROM promotional_codes WHERE code LIKE 'DESK%';
           UPDATE promotional_codes SET current_uses = 0; UPDATE add_on_bundles SET current_uses = 0"""
    )
    await connection.close()
    assert problems == []


@pytest.fixture
async def visit(app):
    """Makes browsers: visit() of somebody who is not signed in, visit("ada") of somebody who is, visit(desk="support") at the desk."""
    clients = []

    async def visit(user=None, desk=None):
        # Errors are answers here too, and not raised.
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://shop.test")
        clients.append(client)
        if user:
            answer = await client.post("/sign-in", data={"name": user})
            assert answer.status_code == 303
        if desk:
            answer = await client.post("/desk/sign-in", data={"name": "sue", "key": f"key of {desk}"})
            assert answer.headers["location"] == "/desk"
        return client

    yield visit
    for client in clients:
        await client.aclose()
