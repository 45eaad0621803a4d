"""Payments that pay for nothing: a second payment, a wrong amount, a payment that was too late."""

from typing import Annotated

import asyncpg
from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from shop.face import go

from .page import page, refused
from .staff import at_desk

router = APIRouter()

REASONS = {
    "already_paid": "The order was paid already.",
    "amount_mismatch": "Its amount differs from the order's.",
    "currency_mismatch": "Its currency differs from the order's.",
    "payment_used": "It has paid for another order.",
    "checkout_failed": "The order had failed, and what it used is no longer there.",
}


@router.get("/payments")
async def unsettled(request: Request) -> Response:
    async with at_desk(request) as desk:
        return page(request, desk, "payments.html", payments=await desk.rows("unsettled_payments"), reasons=REASONS)


@router.post("/payments/settle")
async def settle(request: Request, payment_id: Annotated[str, Form()], note: Annotated[str, Form()] = "") -> Response:
    try:
        async with at_desk(request) as desk:
            note = f"{note.strip()} ({desk.staff.name})".strip()
            was_open = await desk.value("settle_payment", payment_id=payment_id, note=note)
    except asyncpg.PostgresError as error:
        return refused(request, "/desk/payments", error)
    return go(request, "/desk/payments", f"{payment_id} is settled." if was_open else f"{payment_id} was settled already.")
