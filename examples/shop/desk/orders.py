"""An order: what was paid, why that much, and paying back."""

from decimal import Decimal, InvalidOperation
from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from shop.face import document, go, money

from .page import page, refused
from .staff import at_desk

router = APIRouter()

# A purchase that was recorded without a checkout, a renewal for example, is an order of its own.
ORDER = """
    SELECT p.id, p.user_id, p.add_on_id, a.name, p.quantity, p.amount, p.refund_amount, p.currency, p.status, p.promo_code, p.purchased_at,
           p.subscription_ends_at, p.stripe_payment_id, p.lago_invoice_id, p.metadata -> 'quote' AS quote, page.is_on_its_way
      FROM marketplace.add_on_purchases p JOIN marketplace.add_ons a ON a.id = p.add_on_id
      LEFT JOIN shop.payment_pages page USING (checkout_id)
     WHERE coalesce(p.checkout_id, p.id) = $1
     ORDER BY (p.metadata ->> 'position')::integer, a.name
"""
RULES = """
    SELECT id::text, concat_ws(' and ', nullif(discount_percent, 0)::text || ' %', nullif(discount_amount, 0)::text || ' a unit') AS takes
      FROM marketplace.pricing_rules
"""


@router.get("/orders/{order_id}")
async def order(request: Request, order_id: UUID) -> Response:
    async with at_desk(request) as desk:
        lines = await desk.connection.fetch(ORDER, order_id)
        if not lines:
            return page(request, desk, "nothing.html", 404)
        # The price at checkout is stored with the order, whatever has become of the prices since.
        quote = next((document(line["quote"]) for line in lines if line["quote"]), None)
        rules = dict(await desk.connection.fetch(RULES)) if "SELECT pricing_rules" in desk.may else {}
        explained = await desk.rows("explain_checkout", checkout_id=order_id) if quote and "explain_checkout" in desk.may else []
        context = {"order_id": order_id, "lines": lines, "quote": quote, "rules": rules, "explained": explained}
        return page(request, desk, "order.html", **context)


@router.post("/orders/{order_id}/refund")
async def refund(
    request: Request,
    order_id: UUID,
    purchase_id: Annotated[UUID, Form()],
    amount: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Records what was paid back. Without an amount it is all that is left."""
    back = f"/desk/orders/{order_id}"
    try:
        wanted = Decimal(amount) if amount.strip() else None
    except InvalidOperation:
        return go(request, back, "Not done: that is not an amount.")
    try:
        async with at_desk(request) as desk:
            reason = f"{reason.strip()} ({desk.staff.name})".strip()
            refunded = await desk.value("refund_purchase", purchase_id=purchase_id, amount=wanted, reason=reason)
            currency = await desk.connection.fetchval("SELECT currency FROM marketplace.add_on_purchases WHERE id = $1", purchase_id)
    except asyncpg.PostgresError as error:
        return refused(request, back, error)
    return go(request, back, f"Recorded: {money(refunded, currency)} paid back so far.")
