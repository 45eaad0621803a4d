"""The front page: what is sold."""

import json

from fastapi import APIRouter, Request
from starlette.responses import Response

from .visit import page, visiting

router = APIRouter(include_in_schema=False)

ON_A_PAGE = 24
CATEGORIES = "SELECT category, count(*) FROM marketplace.add_ons WHERE is_active GROUP BY category ORDER BY category"


@router.get("/")
async def catalog(request: Request, search: str = "", category: str = "", feature_key: str = "", skip: int = 0) -> Response:
    user, skip = request.session.get("user"), min(max(skip, 0), 100_000)
    criteria = {"search": search, "category": category, "feature_key": feature_key}
    async with visiting(request) as marketplace:
        given = {name: value or None for name, value in criteria.items()}
        found = await marketplace.rows("list_add_ons", **given, max_rows=ON_A_PAGE, skip=skip)
        add_ons = [dict(row) | {"features": json.loads(row["features"])} for row in found]
        total = found[0]["total_count"] if found else 0
        categories = await marketplace.connection.fetch(CATEGORIES)
        owned = {row["add_on_id"] for row in await marketplace.rows("active_add_ons", user_id=user)} if user else set()
        currency = await marketplace.currency()
    return page(
        request, "catalog.html", add_ons=add_ons, categories=categories, owned=owned, total=total, currency=currency, **criteria,
        skip=skip, before=max(skip - ON_A_PAGE, 0) if skip else None, after=skip + ON_A_PAGE if total > skip + ON_A_PAGE else None,
    )  # fmt: skip
