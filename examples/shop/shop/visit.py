"""A visit to the shop's pages: who shops, the transaction a page is made in, and what every page shows of both."""

from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, AsyncIterator
from uuid import uuid4

from fastapi import Request
from starlette.responses import Response

from .database import Marketplace
from .face import go, templates_of

templates = templates_of(Path(__file__).parent / "templates")

#: Nobody can sign in under a name that begins like this.
GUEST = "guest:"
IN_CART = "SELECT coalesce(sum(quantity), 0) FROM marketplace.cart_items WHERE user_id = $1"


class SignInFirst(Exception):
    """The page requires a signed-in user. Signing in leads back to `path`."""

    def __init__(self, notice: str, path: str):
        super().__init__(notice)
        self.notice = notice
        self.path = path


def signed_in(request: Request, notice: str = "Sign in first.", path: str = "/") -> str:
    if user := request.session.get("user"):
        return user
    raise SignInFirst(notice, path)


def shopper(request: Request) -> str | None:
    """The owner of the cart: the signed-in user, or a guest."""
    return request.session.get("user") or request.session.get("guest")


def new_guest(request: Request) -> str:
    """Whoever puts something into a cart becomes a guest, by an id that nobody can guess."""
    request.session["guest"] = guest = f"{GUEST}{uuid4()}"
    return guest


@asynccontextmanager
async def visiting(request: Request) -> AsyncIterator[Marketplace]:
    """One transaction, for the shopper and no other."""
    user = shopper(request)
    async with request.app.state.database.transaction(user) as marketplace:
        request.state.in_cart = await marketplace.connection.fetchval(IN_CART, user) if user else 0
        yield marketplace


def page(request: Request, name: str, status_code: int = 200, **context: Any) -> Response:
    shared = {
        "user": request.session.get("user"),
        "in_cart": getattr(request.state, "in_cart", 0),
        "notice": request.session.pop("notice", None),
    }
    return templates.TemplateResponse(request, name, shared | context, status_code=status_code)


async def to_sign_in(request: Request, error: SignInFirst) -> Response:
    request.session["next"] = error.path
    return go(request, "/sign-in", error.notice)
