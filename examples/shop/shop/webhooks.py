"""Stripe's webhooks: the signature is verified here, everything else is the database's."""

import hashlib
import hmac
import json
import logging
import time

from fastapi import APIRouter, Request
from starlette.responses import Response

from .database import BILLING
from .errors import problem

router = APIRouter()
log = logging.getLogger("shop.webhooks")


def is_signed(body: bytes, header: str, secret: str, now: float, tolerance: int = 300) -> bool:
    """Whether one of the header's v1 signatures is the HMAC of "timestamp.body", made less than tolerance seconds ago."""
    parts = [part.strip().partition("=")[::2] for part in header.split(",")]
    stamps = [value for key, value in parts if key == "t" and value.isascii() and value.isdigit()]
    if len(stamps) != 1 or abs(now - int(stamps[0])) > tolerance:
        return False
    expected = hmac.new(secret.encode(), f"{stamps[0]}.".encode() + body, hashlib.sha256).hexdigest()
    return any(hmac.compare_digest(expected.encode(), value.encode()) for key, value in parts if key == "v1")


@router.post("/webhooks/stripe")
async def stripe(request: Request) -> Response:
    body = await request.body()
    if not is_signed(body, request.headers.get("stripe-signature", ""), request.app.state.settings.webhook_secret, time.time()):
        return problem(400, "the signature is not Stripe's")
    try:
        event = body.decode()
    except UnicodeDecodeError:
        return problem(400, "the body is not UTF-8")
    async with request.app.state.database.transaction(role=BILLING) as marketplace:
        report = await marketplace.value("apply_stripe_event", event=event)
        answer = json.loads(report)
        if answer["action"] == "awaiting_payment":
            # Nobody should be asked to pay again while a bank debit takes its days.
            query = "UPDATE shop.payment_pages SET is_on_its_way = true WHERE checkout_id = $1::uuid"
            await marketplace.connection.execute(query, answer["checkout_id"])
    if answer["action"] == "refused":
        log.error("a payment was refused and needs a person: %s", report)
    # Stripe delivers again what is answered with an error: worth it only where the checkout may still come to be known.
    return Response(report, 503 if answer["retry"] else 200, media_type="application/json")
