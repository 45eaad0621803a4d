"""Stripe Checkout: a page of Stripe's on which the shopper pays. The shop hears of it by webhook."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

# What Stripe counts in whole units, and what in thousandths; see https://docs.stripe.com/currencies
WITHOUT_DECIMALS = set("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF".split())
THREE_DECIMALS = set("BHD JOD KWD OMR TND".split())
INTERVALS = {"monthly": "month", "annual": "year"}


class PaymentError(Exception):
    """The provider cannot be reached, or refuses."""


@dataclass(frozen=True)
class Line:
    name: str
    quantity: int
    #: Of the whole line, after all discounts.
    amount: Decimal
    billing_type: str


@dataclass(frozen=True)
class Session:
    id: str
    url: str


def minor_units(amount: Decimal, currency: str) -> int:
    """In the smallest unit of the currency, exactly: 19.99 USD are 1999."""
    units = amount * (1 if currency in WITHOUT_DECIMALS else 1000 if currency in THREE_DECIMALS else 100)
    if units != units.to_integral_value():
        raise PaymentError(f"{amount} {currency} cannot be paid: {currency} has no such fraction")
    return int(units)


def flat(value: Any, prefix: str = "") -> dict[str, str]:
    """Nested values as Stripe's API takes them: line_items[0][quantity]."""
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        parts = (flat(item, f"{prefix}[{key}]" if prefix else str(key)) for key, item in items)
        return {key: text for part in parts for key, text in part.items()}
    return {prefix: str(value)}


class Stripe:
    def __init__(self, key: str, public_url: str, transport: httpx.AsyncBaseTransport | None = None):
        self.public_url = public_url
        self.client = httpx.AsyncClient(
            base_url="https://api.stripe.com", headers={"Authorization": f"Bearer {key}"}, transport=transport, timeout=20
        )

    async def open(self, checkout_id: str, currency: str, lines: list[Line]) -> Session:
        """Opens a session for a checkout. Asked again for the same checkout, Stripe answers with the same session."""
        metadata = {"checkout_id": checkout_id}
        recurring = any(line.billing_type in INTERVALS for line in lines)
        session = {
            "mode": "subscription" if recurring else "payment",
            "client_reference_id": checkout_id,
            "metadata": metadata,
            "subscription_data" if recurring else "payment_intent_data": {"metadata": metadata},
            "success_url": f"{self.public_url}/checkout/{checkout_id}",
            "cancel_url": f"{self.public_url}/checkout/{checkout_id}",
            "line_items": [{"quantity": 1, "price_data": price(line, currency)} for line in lines],
        }
        answer = await self.post("/v1/checkout/sessions", flat(session), {"Idempotency-Key": f"checkout {checkout_id}"})
        return Session(answer["id"], answer["url"])

    async def expire(self, session_id: str) -> None:
        """Makes sure that a session will not be paid. A PaymentError says that it was paid already."""
        await self.post(f"/v1/checkout/sessions/{session_id}/expire")

    async def post(self, path: str, form: dict[str, str] | None = None, headers: dict[str, str] | None = None) -> dict[str, Any]:
        try:
            answer = await self.client.post(path, data=form, headers=headers)
        except httpx.HTTPError as error:
            raise PaymentError(f"the payment provider cannot be reached: {error}") from error
        if answer.is_error:
            raise PaymentError(f"the payment provider refuses: {answer.text[:500]}")
        return answer.json()


def price(line: Line, currency: str) -> dict[str, Any]:
    # The line's amount is one price: its discounts are the database's, and Stripe has nothing to compute.
    title = line.name if line.quantity == 1 else f"{line.quantity} x {line.name}"
    amount = {"currency": currency.lower(), "unit_amount": minor_units(line.amount, currency), "product_data": {"name": title}}
    interval = INTERVALS.get(line.billing_type)
    return amount | ({"recurring": {"interval": interval}} if interval else {})
