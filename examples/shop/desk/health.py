"""What check_marketplace() finds, the worst first. Its details name the remedy."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from .page import page
from .staff import at_desk

router = APIRouter()

WORST_FIRST = ("error", "warning", "notice", "ok")


@router.get("/health")
async def health(request: Request) -> Response:
    async with at_desk(request) as desk:
        checks = await desk.rows("check_marketplace")
        status = await desk.rows("marketplace_status") if "marketplace_status" in desk.may else []
        found = sorted((row for row in checks if row["severity"] != "ok"), key=lambda row: WORST_FIRST.index(row["severity"]))
        passed = [row for row in checks if row["severity"] == "ok"]
        return page(request, desk, "health.html", found=found, passed=passed, status=status)
