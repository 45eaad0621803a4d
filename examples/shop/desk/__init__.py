"""The desk behind the shop: support, billing and the catalog, each in the database role of its access level and on the same functions as
everybody else. What a page leaves out, the database would refuse."""

import asyncpg
from fastapi import FastAPI, Request
from starlette.responses import Response

from shop import failures
from shop.face import go

from . import catalog, editor, health, offers, orders, payments, people, sales, staff
from .page import page
from .staff import NotSignedIn, at_desk


def add_to(app: FastAPI) -> None:
    for part in (staff, people, orders, payments, offers, catalog, editor, sales, health):
        app.include_router(part.router, prefix="/desk", include_in_schema=False)
    app.add_exception_handler(NotSignedIn, to_sign_in)
    app.add_exception_handler(asyncpg.InsufficientPrivilegeError, not_allowed)


async def to_sign_in(request: Request, error: NotSignedIn) -> Response:
    return go(request, "/desk/sign-in")


async def not_allowed(request: Request, error: asyncpg.InsufficientPrivilegeError) -> Response:
    """The page that says so, to whoever is at the desk; elsewhere it is a mistake of the shop's."""
    if "desk" not in request.session or not request.url.path.startswith("/desk"):
        return failures.answer(request, error)
    async with at_desk(request) as desk:
        return page(request, desk, "not_allowed.html", 403, refusal=error.message)
