"""What makes things cheaper: codes, rules and bundles."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from .page import page
from .staff import at_desk

router = APIRouter()

CODES = """
    SELECT c.*, CASE WHEN NOT is_active THEN 'off' WHEN expires_at <= now() THEN 'expired' WHEN current_uses >= max_uses THEN 'used up'
                     ELSE 'applies' END AS state
      FROM marketplace.promotional_codes c ORDER BY is_active DESC, code
"""
BUNDLES = """
    SELECT b.*, CASE WHEN NOT is_active THEN 'off' WHEN valid_from > now() THEN 'not yet' WHEN valid_until <= now() THEN 'ended'
                     WHEN current_uses >= max_uses THEN 'used up' ELSE 'applies' END AS state
      FROM marketplace.add_on_bundles b ORDER BY is_active DESC, name
"""
RULES = """
    SELECT r.*, a.name, CASE WHEN NOT r.is_active THEN 'off' WHEN r.valid_from > now() THEN 'not yet' WHEN r.valid_until <= now() THEN 'ended'
                             ELSE 'applies' END AS state
      FROM marketplace.pricing_rules r JOIN marketplace.add_ons a ON a.id = r.add_on_id
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
