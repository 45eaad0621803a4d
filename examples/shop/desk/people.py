"""A user: what they have and why, what they used, what they ordered, and what may be done about it."""

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote as quoted
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from shop.face import day, document, go

from .page import page, refused
from .staff import Desk, at_desk

router = APIRouter()

KNOWN = """
    SELECT user_id, count(*) FILTER (WHERE is_owned) AS add_ons, count(*) FILTER (WHERE NOT is_owned) AS purchases
      FROM (SELECT user_id, true FROM marketplace.user_add_ons UNION ALL SELECT user_id, false FROM marketplace.add_on_purchases)
           AS known (user_id, is_owned)
     WHERE starts_with(user_id, $1)
     GROUP BY user_id ORDER BY user_id LIMIT 50
"""
OWNED = "SELECT * FROM marketplace.owned_add_ons WHERE user_id = $1 ORDER BY name"
MOST_ORDERS = 100


def address(user: str) -> str:
    return f"/desk/people?user_id={quoted(user, safe='')}"


@router.get("")
async def search(request: Request, starts_with: str = "") -> Response:
    async with at_desk(request) as desk:
        found = await desk.connection.fetch(KNOWN, starts_with)
        return page(request, desk, "people.html", found=found, starts_with=starts_with)


@router.get("/people")
async def person(request: Request, user_id: str) -> Response:
    async with at_desk(request) as desk:
        owned = await desk.connection.fetch(OWNED, user_id)
        why = {row["add_on_id"]: await desk.rows("explain_access", user_id=user_id, add_on_id=row["add_on_id"]) for row in owned}
        orders = await desk.rows("list_purchases", user_id=user_id, max_rows=MOST_ORDERS)
        renewals = await desk.rows("upcoming_renewals", user_id=user_id)
        names = dict(await desk.connection.fetch("SELECT id, name FROM marketplace.add_ons ORDER BY name"))
        more = await what_else(desk, user_id)
        return page(
            request, desk, "person.html", user_id=user_id, owned=owned, why=why, orders=orders, renewals=renewals, names=names, **more
        )  # fmt: skip


async def what_else(desk: Desk, user_id: str) -> dict[str, Any]:
    """What the level billing does not see."""
    if not {"user_features", "feature_usage", "price_cart", "explain_cart_text"} <= desk.may:
        return {}
    cart = document(await desk.value("price_cart", user_id=user_id))
    return {
        "features": await desk.rows("user_features", user_id=user_id),
        "usage": {row["feature_key"]: row for row in await desk.rows("feature_usage", user_id=user_id)},
        "cart": cart,
        "cart_text": await desk.value("explain_cart_text", user_id=user_id) if cart["lines"] else None,
    }


@router.get("/people/export")
async def export(request: Request, user_id: str) -> Response:
    """Everything that is stored about a user, for a request of access."""
    async with at_desk(request) as desk:
        kept = await desk.value("export_user", user_id=user_id)
    headers = {"Content-Disposition": 'attachment; filename="export.json"'}
    return Response(kept, media_type="application/json", headers=headers)


async def act(request: Request, user_id: str, function: str, said: str, **arguments: Any) -> Response:
    """Calls a function about the user, and goes back to what came of it."""
    try:
        async with at_desk(request) as desk:
            await desk.value(function, user_id=user_id, **arguments)
    except asyncpg.PostgresError as error:
        return refused(request, address(user_id), error)
    return go(request, address(user_id), said)


UserId = Annotated[str, Form()]
AddOnId = Annotated[UUID, Form()]
Reason = Annotated[str, Form()]


@router.post("/people/grant")
async def grant(request: Request, user_id: UserId, add_on_id: AddOnId, until: Annotated[str, Form()] = "") -> Response:
    try:
        expires_at = datetime.fromisoformat(until).replace(tzinfo=UTC) if until else None
    except ValueError:
        return go(request, address(user_id), "Not done: that is not a date.")
    said = f"Granted until {day(expires_at)}." if expires_at else "Granted with no end date."
    return await act(request, user_id, "grant_add_on", said, add_on_id=add_on_id, expires_at=expires_at)


@router.post("/people/suspend")
async def suspend(request: Request, user_id: UserId, add_on_id: AddOnId, reason: Reason = "") -> Response:
    return await act(request, user_id, "suspend_add_on", "Suspended.", add_on_id=add_on_id, reason=reason or None)


@router.post("/people/resume")
async def resume(request: Request, user_id: UserId, add_on_id: AddOnId) -> Response:
    return await act(request, user_id, "resume_add_on", "No longer suspended.", add_on_id=add_on_id)


@router.post("/people/cancel")
async def cancel(request: Request, user_id: UserId, add_on_id: AddOnId, reason: Reason = "") -> Response:
    said = "Cancelled: it ends with the current period."
    return await act(request, user_id, "cancel_add_on", said, add_on_id=add_on_id, reason=reason or None)
