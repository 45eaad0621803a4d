"""The application and what it consists of."""

import logging
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
from fastapi import FastAPI
from starlette.middleware.sessions import SessionMiddleware
from starlette.staticfiles import StaticFiles

import desk
from provider import Provider

from . import account, api, cart, catalog, failures, lab, orders, signing_in, webhooks
from .database import Database
from .entitlements import Entitlements
from .payments import Stripe
from .settings import Settings

log = logging.getLogger("shop")

# Paths and the features that they need.
PROTECTED = {"/lab/gpu": "gpu_hours", "/lab/search": "semantic_search", "/lab/agents": "agent_platform"}


def create_app(settings: Settings) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI):
        async with AsyncExitStack() as pools:
            app.state.database = Database(await pools.enter_async_context(pool(settings.database_url, 10)))
            if settings.desk_database_url:
                # Not the shop's own pool: its rights must stay out of reach for an attacker who finds a hole in the
                # shop.
                app.state.desk = Database(await pools.enter_async_context(pool(settings.desk_database_url, 4)))
            yield

    app = FastAPI(title="Add-on shop", lifespan=lifespan)
    app.state.settings = settings
    app.state.protected = PROTECTED
    app.state.payments = payments(app, settings)
    for part in (api, webhooks, catalog, signing_in, cart, orders, account, lab):
        app.include_router(part.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    if settings.desk_database_url:
        desk.add_to(app)
    failures.add_to(app)
    app.add_middleware(Entitlements, features=PROTECTED)
    # Outermost, so that everything else knows who is signed in. Cookies of other sites' forms are not sent: SameSite=Lax.
    https = settings.public_url.startswith("https:")
    app.add_middleware(SessionMiddleware, secret_key=settings.secret, same_site="lax", https_only=https)
    return app


def pool(url: str, size: int) -> asyncpg.Pool:
    """Of the pooler's or the server's connections; statements are prepared, which PgBouncer keeps from 1.21 on."""
    return asyncpg.create_pool(url, min_size=1, max_size=size, command_timeout=10)


def payments(app: FastAPI, settings: Settings) -> Stripe:
    if settings.stripe_key:
        return Stripe(settings.stripe_key, settings.public_url)
    log.warning("there is no STRIPE_KEY: payments are made up, and whoever presses Pay has paid")
    # Speaks Stripe's API and sends Stripe's events, in this process: the shop cannot tell the difference.
    app.state.provider = Provider(app, settings.webhook_secret, settings.public_url)
    app.mount("/provider", app.state.provider.pages)
    return Stripe("sk_test_in_process", settings.public_url, httpx.ASGITransport(app.state.provider.api))
