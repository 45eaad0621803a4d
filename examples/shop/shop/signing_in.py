"""Signing in, and what a guest takes along."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from .database import SIGN_IN
from .face import go
from .visit import GUEST, page

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
async def sign_in_page(request: Request) -> Response:
    return page(request, "sign_in.html")


@router.post("/sign-in")
async def sign_in(request: Request, name: Annotated[str, Form()]) -> Response:
    """Accepts any name. Put your identity provider here: all that the shop needs is the user's id."""
    name = name.strip()
    if not 0 < len(name) <= 255 or "\0" in name or name.startswith(GUEST):
        return page(request, "sign_in.html", 422, mistake="A name has 1 to 255 characters.")
    if guest := request.session.pop("guest", None):
        async with request.app.state.database.transaction(role=SIGN_IN) as marketplace:
            await marketplace.rows("merge_carts", from_user_id=guest, into_user_id=name)
    request.session["user"] = name
    return go(request, request.session.pop("next", "/"))


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    for name in ("user", "tier", "code", "guest", "next"):
        request.session.pop(name, None)
    return go(request, "/")
