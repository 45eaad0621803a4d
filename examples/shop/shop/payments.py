"""Stripe Checkout: a page of Stripe's on which the shopper pays. The shop hears of it by webhook."""

from dataclasses import dataclass
from typing import Any

import httpx


class PaymentError(Exception):
    """The provider cannot be reached, or refuses."""

    def __init__(self, message: str, code: str | None = None):
        super().__init__(message)
        #: What Stripe calls it.
        self.code = code


@dataclass(frozen=True)
class Session:
    id: str
    url: str


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

    async def open(self, checkout_id: str, parameters: dict[str, Any]) -> Session:
        """Opens a session with what stripe_checkout() says. Asked again for the same checkout, Stripe answers with the same session."""
        if parameters["coupon"]:
            await self.make_coupon(parameters["coupon"])
        headers = {"Idempotency-Key": f"checkout {checkout_id}"}
        answer = await self.post("/v1/checkout/sessions", flat(parameters["session"]), headers)
        return Session(answer["id"], answer["url"])

    async def make_coupon(self, coupon: dict[str, Any]) -> None:
        """Once: the coupon has an id of ours, and is there already when the request is repeated."""
        try:
            await self.post("/v1/coupons", flat(coupon))
        except PaymentError as error:
            if error.code != "resource_already_exists":
                raise

    async def expire(self, session_id: str) -> None:
        """Makes sure that a session will not be paid. A PaymentError says that it was paid already."""
        await self.post(f"/v1/checkout/sessions/{session_id}/expire")

    async def renew(self, subscription_id: str, renews: bool) -> None:
        """Whether a subscription goes on after what is paid."""
        await self.post(f"/v1/subscriptions/{subscription_id}", {"cancel_at_period_end": "false" if renews else "true"})

    async def post(self, path: str, form: dict[str, str] | None = None, headers: dict[str, str] | None = None) -> dict[str, Any]:
        try:
            answer = await self.client.post(path, data=form, headers=headers)
        except httpx.HTTPError as error:
            raise PaymentError(f"the payment provider cannot be reached: {error}") from error
        if answer.is_error:
            raise PaymentError(f"the payment provider refuses: {answer.text[:500]}", code_of(answer))
        return answer.json()


def code_of(answer: httpx.Response) -> str | None:
    try:
        return answer.json()["error"]["code"]
    except (ValueError, KeyError, TypeError):
        return None
