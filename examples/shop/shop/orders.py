"""An order: waiting for its payment, paid, or given up."""

from uuid import UUID

import asyncpg
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from . import checkout
from .face import go
from .payments import PaymentError
from .visit import page, signed_in, visiting

router = APIRouter(include_in_schema=False)

ORDER = """
    SELECT p.name, p.quantity, p.amount, p.refund_amount, p.currency, p.status, p.promo_code, p.subscription_ends_at, page.pay_at, page.is_on_its_way
      FROM marketplace.purchase_details p LEFT JOIN shop.payment_pages page USING (checkout_id)
     WHERE p.checkout_id = $1 AND p.user_id = $2
     ORDER BY p.name
"""


@router.get("/checkout/{checkout_id}")
async def order(request: Request, checkout_id: UUID) -> Response:
    async with visiting(request) as marketplace:
        lines = await marketplace.connection.fetch(ORDER, checkout_id, request.session.get("user"))
    if not lines:
        raise HTTPException(404)
    total = sum(line["amount"] for line in lines)
    return page(request, "order.html", lines=lines, total=total, status=lines[0]["status"], checkout_id=checkout_id)


@router.post("/checkout/{checkout_id}/give-up")
async def give_up(request: Request, checkout_id: UUID) -> Response:
    user = signed_in(request)
    try:
        code = await checkout.give_up(request.app.state, user, checkout_id)
    except (asyncpg.ObjectNotInPrerequisiteStateError, PaymentError):
        return go(request, f"/checkout/{checkout_id}", "This order is settled already.")
    if code:
        request.session["code"] = code
    return go(request, "/cart", "The order was given up, and its add-ons are in your cart again.")
