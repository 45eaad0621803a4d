"""What makes things cheaper: codes, rules and bundles."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from .page import page
from .staff import at_desk

router = APIRouter()

CODES = "SELECT * FROM marketplace.promotional_codes ORDER BY is_active DESC, code"
BUNDLES = "SELECT * FROM marketplace.add_on_bundles ORDER BY is_active DESC, name"
RULES = """
    SELECT r.*, a.name FROM marketplace.pricing_rules r JOIN marketplace.add_ons a ON a.id = r.add_on_id
     ORDER BY r.is_active DESC, a.name, r.priority DESC
"""


@router.get("/offers")
async def offers(request: Request) -> Response:
    async with at_desk(request) as desk:
        names = dict(await desk.connection.fetch("SELECT id, name FROM marketplace.add_ons"))
        lists = {
            "codes": await desk.connection.fetch(CODES),
            "bundles": await desk.connection.fetch(BUNDLES),
            "rules": await desk.connection.fetch(RULES) if "SELECT pricing_rules" in desk.may else None,
        }
        currency = await desk.currency()
        return page(request, desk, "offers.html", **lists, names=names, currency=currency)
