"""One editor for everything that is sold and for every discount. It shows what would change before it saves."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Mapping
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shop.face import go

from .forms import Refused
from .kinds import KINDS, Kind
from .page import page, refused
from .staff import Desk, at_desk

router = APIRouter()

@dataclass(frozen=True)
class Effect:
    """The carts that a draft would make cheaper or dearer."""

    carts: list[asyncpg.Record]

    @property
    def before(self) -> Decimal:
        return sum((row["total_before"] for row in self.carts), Decimal(0))

    @property
    def after(self) -> Decimal:
        return sum((row["total_after"] for row in self.carts), Decimal(0))


async def effect_of(desk: Desk, kind: Kind, document: Mapping[str, Any], row_id: UUID | None) -> Effect:
    draft = {name: value for name, value in document.items() if value is not None}
    # The draft of a code replaces the code with its name; the other drafts replace a row by its id.
    replaced = {} if kind.draft == "code" else {"replaces": row_id}
    carts = await desk.rows(kind.simulate, **{kind.draft: json.dumps(draft)}, **replaced)
    return Effect(sorted(carts, key=lambda row: (row["total_after"] - row["total_before"], row["user_id"])))


async def renewals_of(desk: Desk, kind: Kind, row_id: UUID | None) -> list[asyncpg.Record]:
    """The users whose renewal of an add-on has another price than today's."""
    if kind.form.table != "add_ons" or row_id is None or "simulate_renewals" not in desk.may:
        return []
    return await desk.rows("simulate_renewals", add_on_id=row_id)


async def show(
    request: Request, desk: Desk, kind: Kind, row_id: UUID | None, values: Mapping[str, Any], seen: str,
    mistake: tuple[str, str] | None = None, effect: Effect | None = None,
) -> Response:  # fmt: skip
    add_ons = await desk.connection.fetch("SELECT id::text, name FROM marketplace.add_ons ORDER BY name")
    currency = await desk.currency()
    return page(
        request, desk, "editor.html", 422 if mistake else 200, kind=kind, row_id=row_id, values=values, seen=seen,
        help=await kind.form.help(desk.connection), add_ons=dict(add_ons), currency=currency, renewals=await renewals_of(desk, kind, row_id),
        mistake=mistake, effect=effect,
    )  # fmt: skip


@router.get("/edit/{name}/new")
async def new(request: Request, name: str, add_on_id: str = "") -> Response:
    async with at_desk(request) as desk:
        if (kind := KINDS.get(name)) is None:
            return page(request, desk, "nothing.html", 404)
        values = kind.form.blank()
        return await show(request, desk, kind, None, values | ({"add_on_id": add_on_id} if "add_on_id" in values else {}), "")


@router.get("/edit/{name}/{row_id}")
async def edit(request: Request, name: str, row_id: UUID) -> Response:
    async with at_desk(request) as desk:
        kind = KINDS.get(name)
        kept = await kind.form.row(desk.connection, row_id) if kind else None
        if kept is None:
            return page(request, desk, "nothing.html", 404)
        return await show(request, desk, kind, row_id, kind.form.shown(json.loads(kept["kept"])), kept["seen"])


@router.post("/edit/{name}/new")
async def create(request: Request, name: str) -> Response:
    return await change(request, name, None)


@router.post("/edit/{name}/{row_id}")
async def update(request: Request, name: str, row_id: UUID) -> Response:
    return await change(request, name, row_id)


async def change(request: Request, name: str, row_id: UUID | None) -> Response:
    """Shows what would change, or saves. If the table refuses, the reason is shown beside the field."""
    if (kind := KINDS.get(name)) is None:
        raise HTTPException(404)
    data = await request.form()
    typed, seen = kind.form.typed(data), str(data.get("seen", ""))
    mistake = effect = None
    try:
        async with at_desk(request) as desk:
            document = await kind.form.document(desk.connection, typed)
            if data.get("do") == "save":
                if await kind.form.save(desk.connection, document, row_id, seen):
                    return go(request, kind.back, f"The {kind.title} is saved.")
                mistake = ("", "Somebody has changed it since you opened it. Open it again to see the current version.")
            elif kind.simulate:
                effect = await effect_of(desk, kind, document, row_id)
    except asyncpg.InsufficientPrivilegeError:
        raise
    except (asyncpg.PostgresError, Refused) as error:
        mistake = kind.form.blame(error)
    async with at_desk(request) as desk:
        return await show(request, desk, kind, row_id, typed, seen, mistake, effect)


@router.post("/reprice/{add_on_id}")
async def reprice(request: Request, add_on_id: UUID) -> Response:
    """Renewals keep the price of the purchase until somebody reprices them."""
    back = f"/desk/edit/add-on/{add_on_id}"
    try:
        async with at_desk(request) as desk:
            changed = await desk.value("reprice_renewals", add_on_id=add_on_id)
    except asyncpg.PostgresError as error:
        return refused(request, back, error)
    return go(request, back, f"{changed} {'renewal costs' if changed == 1 else 'renewals cost'} today's price from now on.")
