"""Pages that need a feature. The middleware asks before they run."""

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from .visit import page, visiting

router = APIRouter(include_in_schema=False)


@router.get("/lab/{place}")
async def lab(request: Request, place: str) -> Response:
    if (feature := request.app.state.protected.get(f"/lab/{place}")) is None:
        raise HTTPException(404)
    async with visiting(request) as marketplace:
        configuration = await marketplace.value("feature_configuration", user_id=request.session["user"], feature_key=feature)
    return page(request, "lab.html", feature=feature, configuration=configuration)
