"""Objects as Stripe publishes them (tests/payloads), with what an event is about filled in."""

import json
from pathlib import Path
from typing import Any

PAYLOADS = Path(__file__).resolve().parents[3] / "tests" / "payloads"


def published(name: str, **changes: Any) -> dict[str, Any]:
    return json.loads((PAYLOADS / f"stripe.{name}.json").read_text()) | changes


def checkout_session(session: "Session", **changes: Any) -> dict[str, Any]:
    return published(
        "checkout.session", id=session.id, url=session.url, mode=session.mode, status=session.status,
        payment_status="paid" if session.status == "complete" else "unpaid", client_reference_id=session.checkout_id,
        metadata={"checkout_id": session.checkout_id}, amount_subtotal=session.total, amount_total=session.total,
        currency=session.currency, total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        subscription=session.subscription, invoice=session.invoice, payment_intent=None if session.subscription else session.payment,
        **changes,
    )  # fmt: skip


def payment_intent(session: "Session") -> dict[str, Any]:
    return published(
        "payment_intent", id=session.payment, amount=session.total, amount_received=session.total, currency=session.currency,
        status="succeeded", metadata={"checkout_id": session.checkout_id},
    )  # fmt: skip


def invoice(session: "Session", number: int, end: int) -> dict[str, Any]:
    """The first invoice of a subscription, or a later one, for the period until `end`."""
    line = published("invoice")["lines"]["data"][0] | {"amount": session.total, "period": {"start": end - 30 * 86_400, "end": end}}
    payment = session.payment if number == 1 else f"{session.payment}_{number}"
    return published(
        "invoice", id=f"{session.invoice}_{number}" if number > 1 else session.invoice, amount_due=session.total,
        amount_paid=session.total, amount_remaining=0, subtotal=session.total, total=session.total,
        subtotal_excluding_tax=session.total, total_excluding_tax=session.total, currency=session.currency, status="paid",
        billing_reason="subscription_create" if number == 1 else "subscription_cycle",
        parent={
            "type": "subscription_details",
            "subscription_details": {"subscription": session.subscription, "metadata": {"checkout_id": session.checkout_id}},
        },
        payments={"data": [{"payment": {"type": "payment_intent", "payment_intent": payment}}]},
        lines={"object": "list", "data": [line], "has_more": False},
    )  # fmt: skip


def charge(session: "Session") -> dict[str, Any]:
    return published(
        "charge", amount=session.total, amount_captured=session.total, amount_refunded=session.refunded, captured=True,
        refunded=session.refunded == session.total, currency=session.currency, payment_intent=session.payment,
    )  # fmt: skip


def dispute(session: "Session", status: str) -> dict[str, Any]:
    return published("dispute", id=f"dp_{session.id}", amount=session.total, payment_intent=session.payment, status=status)


def subscription(session: "Session", status: str, end: int, cancelled: bool) -> dict[str, Any]:
    return published(
        "subscription", id=session.subscription, status=status, cancel_at_period_end=cancelled, currency=session.currency,
        ended_at=None if status == "active" else end, metadata={"checkout_id": session.checkout_id},
        items={"object": "list", "data": [{"current_period_end": end}]},
    )  # fmt: skip
