"""The pages of the desk, and what they say when the database refuses."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
from fastapi import Request
from starlette.responses import Response

from shop.errors import code_of
from shop.face import go, templates_of

if TYPE_CHECKING:
    from .staff import Desk

templates = templates_of(Path(__file__).parent / "templates")

# The desk's pages, each with the permission that it requires.
PLACES = {
    "/desk": ("People", "explain_access"),
    "/desk/payments": ("Payments", "unsettled_payments"),
    "/desk/offers": ("Offers", "SELECT promotional_codes"),
    "/desk/catalog": ("Catalog", "SELECT add_ons"),
    "/desk/sales": ("Sales", "SELECT revenue_by_day"),
    "/desk/health": ("Health", "check_marketplace"),
}


def page(request: Request, desk: "Desk", name: str, status_code: int = 200, **context: Any) -> Response:
    places = {path: title for path, (title, needs) in PLACES.items() if needs in desk.may}
    shared = {"staff": desk.staff, "may": desk.may, "places": places, "notice": request.session.pop("notice", None)}
    return templates.TemplateResponse(request, name, shared | context, status_code=status_code)


def refused(request: Request, back: str, error: asyncpg.PostgresError) -> Response:
    """Redirects to a page that says, in the extension's words, why nothing was done. Other errors are raised again."""
    if code_of(error) is None:
        raise error
    return go(request, back, " ".join(filter(None, (f"Not done: {error.message}.", error.hint))))
