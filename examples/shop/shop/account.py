"""The account: features and their usage, add-ons and why the user has them, renewals, orders."""

from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from .database import BILLING, Marketplace
from .errors import code_of
from .face import go
from .payments import PaymentError
from .visit import page, signed_in, visiting

router = APIRouter(include_in_schema=False)

MINE = "SELECT * FROM marketplace.owned_add_ons WHERE user_id = $1 ORDER BY name"
RENEWALS = "SELECT * FROM marketplace.upcoming_renewals($1, 'infinity')"
MOST_ORDERS = 50
# explain_access() in a shopper's words.
SOURCES = {
    "purchase": "You bought it",
    "subscription": "Your subscription",
    "grant": "It was given to you",
    "trial": "Your trial",
    "host": "It was set up for you",
    "suspension": "It is suspended",
}


async def sources_of(marketplace: Marketplace, user: str) -> dict[UUID, list[asyncpg.Record]]:
    """Why the user has what they have, by add-on. The level of shoppers does not explain access, so it is asked as billing."""
    owned = await marketplace.connection.fetch(MINE, user)
    return {row["add_on_id"]: await marketplace.rows("explain_access", user_id=user, add_on_id=row["add_on_id"]) for row in owned}


def subscription_of(sources: list[asyncpg.Record]) -> str | None:
    """The live subscription that an add-on is paid with."""
    return next((row["source_id"] for row in sources if row["source"] == "subscription" and row["live"]), None)


@router.get("/account")
async def account(request: Request) -> Response:
    user = signed_in(request, "Sign in to see what you have.", "/account")
    async with visiting(request) as marketplace:
        context: dict[str, Any] = {
            "add_ons": await marketplace.connection.fetch(MINE, user),
            "features": await marketplace.rows("user_features", user_id=user),
            "usage": {row["feature_key"]: row for row in await marketplace.rows("feature_usage", user_id=user)},
            "renewals": {row["add_on_id"]: row for row in await marketplace.connection.fetch(RENEWALS, user)},
            "orders": await marketplace.rows("list_purchases", user_id=user, max_rows=MOST_ORDERS),
        }
    async with request.app.state.database.transaction(user, BILLING) as marketplace:
        sources = await sources_of(marketplace, user)
    names = {row["add_on_id"]: row["name"] for row in context["add_ons"]}
    # What is paid by one subscription is cancelled together.
    together = {
        add_on: [names[other] for other, rows in sources.items() if other != add_on and subscription_of(rows) == subscription]
        for add_on, found in sources.items()
        if (subscription := subscription_of(found))
    }
    return page(request, "account.html", **context, names=names, sources=sources, together=together, words_of=SOURCES)


@router.post("/account/cancel")
async def cancel(request: Request, add_on_id: Annotated[UUID, Form()]) -> Response:
    return await renew(request, add_on_id, False)


@router.post("/account/resume")
async def resume(request: Request, add_on_id: Annotated[UUID, Form()]) -> Response:
    return await renew(request, add_on_id, True)


async def renew(request: Request, add_on_id: UUID, renews: bool) -> Response:
    """Whether an add-on renews is the payment provider's to know, which tells the database by webhook. Only what no subscription pays is
    cancelled here."""
    user = signed_in(request, path="/account")
    try:
        async with request.app.state.database.transaction(user, BILLING) as marketplace:
            subscription = subscription_of(await marketplace.rows("explain_access", user_id=user, add_on_id=add_on_id))
            if subscription is None and not renews:
                await marketplace.value("cancel_add_on", user_id=user, add_on_id=add_on_id, reason="cancelled by the shopper")
        if subscription:
            await request.app.state.payments.renew(subscription, renews)
    except PaymentError:
        return go(request, "/account", "The payment provider did not answer, and nothing was changed. Please try again in a few minutes.")
    except asyncpg.PostgresError as error:
        if code_of(error) != "not_owned":
            raise
        return go(request, "/account", "You do not have that add-on.")
    if renews:
        return go(request, "/account", "It renews again." if subscription else "It cannot renew. Buy it again when it has ended.")
    return go(request, "/account", "It will not renew. You have it until the end of what you paid for.")


@router.post("/trial")
async def start_trial(request: Request, add_on_id: Annotated[UUID, Form()]) -> Response:
    user = signed_in(request, "Sign in to try it.")
    try:
        async with request.app.state.database.transaction(user) as marketplace:
            await marketplace.rows("start_trial", user_id=user, add_on_id=add_on_id)
    except asyncpg.PostgresError as error:
        if code_of(error) not in ("trial_refused", "no_trial"):
            raise
        return go(request, "/account", "You have tried this one already.")
    return go(request, "/account", "Your trial has begun.")
