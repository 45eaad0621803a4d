"""What is sold, and what each add-on gives."""

import json

from fastapi import APIRouter, Request
from starlette.responses import Response

from .page import page
from .staff import at_desk

router = APIRouter()

ADD_ONS = """
    SELECT a.id, a.name, a.category, a.base_price, a.billing_type, a.is_active, a.trial_days, a.features,
           (SELECT count(*) FROM marketplace.user_add_ons u WHERE u.add_on_id = a.id AND u.status = 'active') AS owners
      FROM marketplace.add_ons a ORDER BY a.category, a.sort_order, a.name
"""
FEATURES = "SELECT id, add_on_id, feature_key, enabled, configuration FROM marketplace.add_on_features ORDER BY feature_key"


@router.get("/catalog")
async def catalog(request: Request) -> Response:
    async with at_desk(request) as desk:
        add_ons = [dict(row) | {"features": json.loads(row["features"])} for row in await desk.connection.fetch(ADD_ONS)]
        features = await desk.connection.fetch(FEATURES) if "SELECT add_on_features" in desk.may else []
        currency = await desk.currency()
        return page(request, desk, "catalog.html", add_ons=add_ons, features=features, currency=currency)
