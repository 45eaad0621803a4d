"""The application and what it consists of."""

import logging
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
from fastapi import FastAPI, Request
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import JSONResponse
from starlette.staticfiles import StaticFiles

from provider import Provider

from . import api, errors, pages, webhooks
from .database import Database
from .entitlements import Entitlements
from .payments import PaymentError, Stripe
from .settings import Settings

log = logging.getLogger("shop")

# Paths and the features that they need.
PROTECTED = {"/lab/gpu": "gpu_hours", "/lab/search": "semantic_search", "/lab/agents": "agent_platform"}


def create_app(settings: Settings) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI):
        # Of the pooler's or the server's connections; statements are prepared, which PgBouncer keeps from 1.21 on.
        async with asyncpg.create_pool(settings.database_url, min_size=1, max_size=10, command_timeout=10) as pool:
            app.state.database = Database(pool)
            yield

    app = FastAPI(title="Add-on shop", lifespan=lifespan)
    app.state.settings = settings
    app.state.protected = PROTECTED
    app.state.payments = payments(app, settings)
    app.include_router(api.router)
    app.include_router(webhooks.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    app.add_exception_handler(asyncpg.PostgresError, errors.handle)
    app.add_exception_handler(PaymentError, payment_failed)
    app.add_middleware(Entitlements, features=PROTECTED)
    # Outermost, so that everything else knows who is signed in. Cookies of other sites' forms are not sent: SameSite=Lax.
    https = settings.public_url.startswith("https:")
    app.add_middleware(SessionMiddleware, secret_key=settings.secret, same_site="lax", https_only=https)
    return app


def payments(app: FastAPI, settings: Settings) -> Stripe:
    if settings.stripe_key:
        return Stripe(settings.stripe_key, settings.public_url)
    log.warning("there is no STRIPE_KEY: payments are made up, and whoever presses Pay has paid")
    # Speaks Stripe's API and sends Stripe's events, in this process: the shop cannot tell the difference.
    app.state.provider = Provider(app, settings.webhook_secret, settings.public_url)
    app.mount("/provider", app.state.provider.pages)
    return Stripe("sk_test_in_process", settings.public_url, httpx.ASGITransport(app.state.provider.api))


async def payment_failed(request: Request, error: PaymentError) -> JSONResponse:
    return errors.problem(502, str(error))
