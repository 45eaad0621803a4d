"""Objects as Stripe publishes them (tests/payloads), with what an event is about filled in, and without what a webhook of the API versions
since 2025-03-31 leaves out: an invoice and its payment name each other in an invoice_payment only."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .provider import Dispute, Refund, Session

PAYLOADS = Path(__file__).resolve().parents[3] / "tests" / "payloads"
INTERVALS = {"month": 30 * 86_400, "year": 365 * 86_400}


def published(name: str, **changes: Any) -> dict[str, Any]:
    return json.loads((PAYLOADS / f"stripe.{name}.json").read_text()) | changes


def listed(objects: list[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "list", "data": objects, "has_more": False}


def checkout_session(session: "Session") -> dict[str, Any]:
    return published(
        "checkout.session", id=session.id, url=session.url, created=session.created, mode=session.mode, status=session.status,
        payment_status=session.payment_status, client_reference_id=session.checkout_id, metadata={"checkout_id": session.checkout_id},
        amount_subtotal=session.subtotal, amount_total=session.total, currency=session.currency, currency_conversion=None,
        total_details={"amount_discount": session.discount, "amount_shipping": 0, "amount_tax": 0}, shipping_cost=None,
        subscription=session.subscription if session.status == "complete" else None,
        invoice=session.invoice(1) if session.subscription and session.status == "complete" else None,
        payment_intent=None if session.subscription or session.status != "complete" else session.payment(1),
    )  # fmt: skip


def payment_intent(session: "Session", number: int, status: str) -> dict[str, Any]:
    amount = session.charged(number)
    return published(
        "payment_intent", id=session.payment(number), created=session.created, amount=amount,
        amount_received=amount if status == "succeeded" else 0, currency=session.currency, status=status,
        latest_charge=session.charge(number),
        # The metadata of subscription_data goes to the subscription and not to its payments.
        metadata={} if session.subscription else {"checkout_id": session.checkout_id},
    )  # fmt: skip


def invoice(session: "Session", number: int, end: int) -> dict[str, Any]:
    """The first invoice of a subscription, or a later one, for the period until `end`."""
    start = end - INTERVALS[session.interval]
    total = session.charged(number)
    return published(
        "invoice", id=session.invoice(number), created=start, amount_due=total, amount_paid=total, amount_remaining=0,
        amount_overpaid=0, subtotal=total, total=total, subtotal_excluding_tax=total, total_excluding_tax=total, shipping_cost=None,
        currency=session.currency, status="paid", billing_reason="subscription_create" if number == 1 else "subscription_cycle",
        parent={"type": "subscription_details", "subscription_details": subscription_details(session)},
        lines=listed([invoice_line(session, line, position, start, end) for position, line in enumerate(session.lines)]),
    )  # fmt: skip


def subscription_details(session: "Session") -> dict[str, Any]:
    return {"subscription": session.subscription, "metadata": {"checkout_id": session.checkout_id}}


def invoice_line(session: "Session", line: dict[str, Any], position: int, start: int, end: int) -> dict[str, Any]:
    item = {"subscription": session.subscription, "subscription_item": f"si_{session.key}_{position}", "proration": False}
    return published("invoice")["lines"]["data"][0] | {
        "id": f"il_{session.key}_{start}_{position}", "amount": line["unit_amount"] * line["quantity"], "quantity": line["quantity"],
        "description": line["product_data"]["name"], "period": {"start": start, "end": end}, "metadata": {},
        "parent": {"type": "subscription_item_details", "subscription_item_details": item},
    }  # fmt: skip


def invoice_payment(session: "Session", number: int) -> dict[str, Any]:
    return published(
        "invoice_payment", id=f"inpay_{session.key}_{number}", created=session.created, invoice=session.invoice(number),
        amount_paid=session.charged(number), amount_requested=session.charged(number), currency=session.currency, status="paid",
        payment={"type": "payment_intent", "payment_intent": session.payment(number)},
    )  # fmt: skip


def charge(session: "Session", number: int) -> dict[str, Any]:
    amount, refunded = session.charged(number), session.refunded(number)
    return published(
        "charge", id=session.charge(number), created=session.created, amount=amount, amount_captured=amount, amount_refunded=refunded,
        captured=True, refunded=refunded == amount, currency=session.currency, payment_intent=session.payment(number),
        metadata={} if session.subscription else {"checkout_id": session.checkout_id},
    )  # fmt: skip


def refund(session: "Session", refund: "Refund") -> dict[str, Any]:
    return published(
        "refund", id=refund.id, created=refund.created, amount=refund.amount, currency=session.currency, status=refund.status,
        charge=session.charge(refund.number), payment_intent=session.payment(refund.number),
    )  # fmt: skip


def dispute(session: "Session", dispute: "Dispute") -> dict[str, Any]:
    return published(
        "dispute", id=dispute.id, created=dispute.created, amount=dispute.amount, currency=session.currency, status=dispute.status,
        charge=session.charge(1), payment_intent=session.payment(1),
    )  # fmt: skip


def subscription(session: "Session", status: str, **changes: Any) -> dict[str, Any]:
    items = [subscription_item(session, line, position) for position, line in enumerate(session.lines) if "recurring" in line]
    unsaid = {"cancel_at": None, "cancel_at_period_end": False, "canceled_at": None, "ended_at": None, "pause_collection": None}
    unsaid |= {"trial_start": None, "trial_end": None, "pending_update": None}
    about = {"id": session.subscription, "created": session.created, "status": status, "currency": session.currency}
    return published("subscription", **unsaid, **about, metadata={"checkout_id": session.checkout_id}, items=listed(items)) | changes


def subscription_item(session: "Session", line: dict[str, Any], position: int) -> dict[str, Any]:
    price = published("subscription_item")["price"] | {"unit_amount": line["unit_amount"], "currency": session.currency}
    price["recurring"] = price["recurring"] | line["recurring"]
    return published(
        "subscription_item", id=f"si_{session.key}_{position}", subscription=session.subscription, quantity=line["quantity"], price=price,
        current_period_start=session.paid_until - INTERVALS[session.interval], current_period_end=session.paid_until,
    )  # fmt: skip
