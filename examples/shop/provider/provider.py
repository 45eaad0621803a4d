"""The provider's API, its page, and what it tells the shop."""

import hashlib
import hmac
import json
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI, Header, HTTPException, Request
from fastapi.templating import Jinja2Templates
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp

from . import payloads

templates = Jinja2Templates(Path(__file__).parent / "templates")

# The paths under which the API lists each kind of object.
RESOURCES = {
    "event": "events",
    "checkout.session": "checkout/sessions",
    "payment_intent": "payment_intents",
    "charge": "charges",
    "refund": "refunds",
    "dispute": "disputes",
    "subscription": "subscriptions",
    "invoice": "invoices",
    "invoice_payment": "invoice_payments",
}


@dataclass
class Refund:
    id: str
    #: Of which payment of the session.
    number: int
    amount: int
    created: int
    status: str = "succeeded"


@dataclass
class Dispute:
    id: str
    amount: int
    created: int
    status: str = "needs_response"


@dataclass
class Session:
    id: str
    url: str
    form: dict[str, Any]
    #: What the coupon that the session names takes off the first payment.
    discount: int = 0
    status: str = "open"
    payment_status: str = "unpaid"
    #: How many invoices were paid.
    invoices: int = 1
    paid_until: int = 0
    refunds: list[Refund] = field(default_factory=list)
    disputes: list[Dispute] = field(default_factory=list)
    created: int = field(default_factory=lambda: int(time.time()))
    key: str = field(default_factory=lambda: uuid4().hex[:24])

    @property
    def mode(self) -> str:
        return self.form["mode"]

    @property
    def checkout_id(self) -> str:
        return self.form["client_reference_id"]

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [
            line["price_data"] | {"quantity": int(line["quantity"]), "unit_amount": int(line["price_data"]["unit_amount"])}
            for line in self.form["line_items"].values()
        ]

    @property
    def subtotal(self) -> int:
        return sum(line["unit_amount"] * line["quantity"] for line in self.lines)

    @property
    def total(self) -> int:
        return self.subtotal - self.discount

    @property
    def currency(self) -> str:
        return self.lines[0]["currency"]

    @property
    def interval(self) -> str:
        return next(line["recurring"]["interval"] for line in self.lines if "recurring" in line)

    @property
    def subscription(self) -> str | None:
        return f"sub_{self.key}" if self.mode == "subscription" else None

    def charged(self, number: int) -> int:
        """What the first or a later payment takes."""
        recurring = sum(line["unit_amount"] * line["quantity"] for line in self.lines if "recurring" in line)
        return self.total if number == 1 else recurring

    def refunded(self, number: int) -> int:
        return sum(refund.amount for refund in self.refunds if refund.number == number and refund.status == "succeeded")

    def invoice(self, number: int) -> str:
        return f"in_{self.key}_{number}"

    def payment(self, number: int) -> str:
        return f"pi_{self.key}_{number}"

    def charge(self, number: int) -> str:
        return f"ch_{self.key}_{number}"


def nested(form: dict[str, str]) -> dict[str, Any]:
    """line_items[0][quantity]=1 as {"line_items": {"0": {"quantity": "1"}}}"""
    document: dict[str, Any] = {}
    for name, value in form.items():
        *path, last = re.findall(r"[^\[\]]+", name)
        place = document
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return document


class Provider:
    def __init__(self, shop: ASGIApp, webhook_secret: str, public_url: str):
        self.shop = httpx.AsyncClient(transport=httpx.ASGITransport(shop), base_url=public_url)
        self.webhook_secret = webhook_secret
        self.public_url = public_url
        self.sessions: dict[str, Session] = {}
        self.coupons: dict[str, dict[str, str]] = {}
        self.by_idempotency_key: dict[str, tuple[dict[str, str], Session]] = {}
        #: What the API lists: the latest of every object, by resource and id.
        self.objects: dict[str, dict[str, dict[str, Any]]] = {resource: {} for resource in RESOURCES.values()}
        #: Every delivery, with the status of the shop's answer.
        self.deliveries: list[tuple[str, int]] = []
        #: Whether webhooks get lost on their way.
        self.is_cut_off = False
        self.api = self._api()
        self.pages = self._pages()

    def _api(self) -> FastAPI:
        api = FastAPI()

        @api.middleware("http")
        async def authorize(request: Request, call_next: Any) -> Response:
            if not request.headers.get("authorization", "").startswith("Bearer sk_"):
                return JSONResponse({"error": {"type": "invalid_request_error"}}, 401)
            return await call_next(request)

        @api.post("/v1/coupons")
        async def make_coupon(request: Request) -> Response:
            coupon = {name: str(value) for name, value in (await request.form()).items()}
            if coupon["id"] in self.coupons:
                return JSONResponse({"error": {"code": "resource_already_exists"}}, 400)
            self.coupons[coupon["id"]] = coupon
            return JSONResponse(coupon)

        @api.post("/v1/checkout/sessions")
        async def create(request: Request, idempotency_key: str = Header()) -> dict[str, Any]:
            form = {name: str(value) for name, value in (await request.form()).items()}
            given, session = self.by_idempotency_key.get(idempotency_key, (form, None))
            if given != form:
                raise HTTPException(400, {"error": {"type": "idempotency_error"}})
            if session is None:
                session = self.open(nested(form))
                self.by_idempotency_key[idempotency_key] = (form, session)
            return self.keep(payloads.checkout_session(session))

        @api.post("/v1/checkout/sessions/{session_id}/expire")
        async def expire(session_id: str) -> dict[str, Any]:
            session = self.sessions.get(session_id)
            if session is None or session.status != "open":
                raise HTTPException(400, {"error": {"message": "only open sessions can be expired"}})
            session.status = "expired"
            await self.tell("checkout.session.expired", payloads.checkout_session(session))
            return payloads.checkout_session(session)

        self._add_objects(api)
        return api

    def _add_objects(self, api: FastAPI) -> None:
        @api.post("/v1/subscriptions/{subscription_id}")
        async def update(subscription_id: str, request: Request) -> dict[str, Any]:
            session = next((session for session in self.sessions.values() if session.subscription == subscription_id), None)
            if session is None:
                raise HTTPException(404, {"error": {"code": "resource_missing"}})
            ends = (await request.form()).get("cancel_at_period_end") == "true"
            await (self.cancel if ends else self.go_on)(session)
            return self.objects["subscriptions"][subscription_id]

        @api.get("/v1/{resource:path}")
        async def listing(resource: str, request: Request, limit: int = 10, starting_after: str | None = None) -> dict[str, Any]:
            if resource not in self.objects:
                raise HTTPException(404)
            since = int(request.query_params.get("created[gte]", 0))
            newest_first = sorted(self.objects[resource].values(), key=lambda found: (found["created"], found["id"]), reverse=True)
            found = [about for about in newest_first if about["created"] >= since]
            start = next((place + 1 for place, about in enumerate(found) if about["id"] == starting_after), 0)
            page = found[start : start + limit]
            return {"object": "list", "url": f"/v1/{resource}", "data": page, "has_more": start + limit < len(found)}

    def _pages(self) -> FastAPI:
        pages = FastAPI(openapi_url=None)

        @pages.get("/pay/{session_id}")
        async def show(request: Request, session_id: str) -> Response:
            if (session := self.sessions.get(session_id)) is None:
                raise HTTPException(404)
            return templates.TemplateResponse(request, "pay.html", {"session": session})

        @pages.post("/pay/{session_id}")
        async def pay(session_id: str) -> Response:
            if (session := self.sessions.get(session_id)) is None:
                raise HTTPException(404)
            if session.status == "open":
                await self.pay(session)
            return RedirectResponse(session.form["success_url"], 303)

        return pages

    def open(self, form: dict[str, Any]) -> Session:
        session_id = f"cs_test_{uuid4().hex}"
        coupons = [discount["coupon"] for discount in form.get("discounts", {}).values()]
        if any(coupon not in self.coupons for coupon in coupons):
            raise HTTPException(400, {"error": {"code": "resource_missing"}})
        discount = sum(int(self.coupons[coupon]["amount_off"]) for coupon in coupons)
        session = Session(session_id, f"{self.public_url}/provider/pay/{session_id}", form, discount)
        self.sessions[session.id] = session
        return session

    def session_of(self, checkout_id: str) -> Session:
        return next(session for session in self.sessions.values() if session.checkout_id == checkout_id)

    async def pay(self, session: Session) -> None:
        """What Stripe sends of a payment, in an order that Stripe does not promise either."""
        session.status = "complete"
        await self._take(session, "checkout.session.completed")

    async def _take(self, session: Session, kind: str) -> None:
        session.payment_status = "paid"
        if session.mode == "subscription":
            session.paid_until = int(time.time()) + payloads.INTERVALS[session.interval]
            await self.tell("invoice.paid", payloads.invoice(session, 1, session.paid_until))
        await self.tell("payment_intent.succeeded", payloads.payment_intent(session, 1, "succeeded"))
        await self.tell("charge.succeeded", payloads.charge(session, 1))
        await self.tell(kind, payloads.checkout_session(session))
        if session.mode == "subscription":
            await self.tell("invoice_payment.paid", payloads.invoice_payment(session, 1))
            await self.tell("customer.subscription.created", payloads.subscription(session, "active"))

    async def pay_by_bank_debit(self, session: Session) -> None:
        """The shopper has done what there is to do, and the money takes days."""
        session.status = "complete"
        await self.tell("checkout.session.completed", payloads.checkout_session(session))
        await self.tell("payment_intent.processing", payloads.payment_intent(session, 1, "processing"))

    async def clear(self, session: Session) -> None:
        """The money of a bank debit has come."""
        await self._take(session, "checkout.session.async_payment_succeeded")

    async def bounce(self, session: Session) -> None:
        """The money of a bank debit does not come."""
        await self.tell("payment_intent.payment_failed", payloads.payment_intent(session, 1, "requires_payment_method"))
        await self.tell("checkout.session.async_payment_failed", payloads.checkout_session(session))

    async def renew(self, session: Session, end: int) -> None:
        session.invoices += 1
        session.paid_until = end
        await self.tell("customer.subscription.updated", payloads.subscription(session, "active"))
        await self.tell("invoice_payment.paid", payloads.invoice_payment(session, session.invoices))
        await self.tell("invoice.paid", payloads.invoice(session, session.invoices, end))

    async def refund(self, session: Session, amount: int, number: int = 1) -> Refund:
        before = session.refunded(number)
        refund = Refund(f"re_{uuid4().hex[:24]}", number, amount, int(time.time()))
        session.refunds.append(refund)
        await self.tell("refund.created", payloads.refund(session, refund))
        await self.tell("charge.refunded", payloads.charge(session, number), previous={"amount_refunded": before})
        return refund

    async def fail_refund(self, session: Session, refund: Refund) -> None:
        """The bank sends the money back, and the provider takes it as not refunded."""
        refund.status = "failed"
        await self.tell("refund.failed", payloads.refund(session, refund))

    async def dispute(self, session: Session, amount: int | None = None) -> Dispute:
        dispute = Dispute(f"dp_{uuid4().hex[:24]}", amount or session.total, int(time.time()))
        session.disputes.append(dispute)
        await self.tell("charge.dispute.created", payloads.dispute(session, dispute))
        return dispute

    async def decide(self, session: Session, dispute: Dispute, status: str) -> None:
        before, dispute.status = dispute.status, status
        await self.tell("charge.dispute.closed", payloads.dispute(session, dispute), previous={"status": before})

    async def cancel(self, session: Session) -> None:
        """What the customer portal does: the subscription ends with its period."""
        told = payloads.subscription(session, "active", cancel_at=session.paid_until, canceled_at=int(time.time()))
        await self.tell("customer.subscription.updated", told, previous={"cancel_at": None, "canceled_at": None})

    async def go_on(self, session: Session) -> None:
        """A cancellation is taken back."""
        was = self.objects["subscriptions"][session.subscription]
        previous = {name: was[name] for name in ("cancel_at", "canceled_at")}
        await self.tell("customer.subscription.updated", payloads.subscription(session, "active"), previous=previous)

    async def end(self, session: Session) -> None:
        told = payloads.subscription(session, "canceled", canceled_at=int(time.time()), ended_at=int(time.time()))
        await self.tell("customer.subscription.deleted", told)

    def keep(self, about: dict[str, Any]) -> dict[str, Any]:
        """Lists an object from now on as it is now."""
        self.objects[RESOURCES[about["object"]]][about["id"]] = about
        return about

    async def tell(self, kind: str, about: dict[str, Any], previous: dict[str, Any] | None = None) -> httpx.Response | None:
        data = {"object": self.keep(about)} | ({"previous_attributes": previous} if previous else {})
        event = payloads.published("event", id=f"evt_{uuid4().hex}", type=kind, created=int(time.time()), data=data)
        self.keep(event)
        return None if self.is_cut_off else await self.deliver(kind, json.dumps(event, indent=2).encode())

    async def deliver(self, kind: str, body: bytes) -> httpx.Response:
        """Signs a body and posts it, as often as Stripe would in these tests' time: until it is taken, three times at most."""
        for _ in range(3):
            stamp = int(time.time())
            digest = hmac.new(self.webhook_secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
            headers = {"Stripe-Signature": f"t={stamp},v1={digest},v0=unused", "Content-Type": "application/json; charset=utf-8"}
            answer = await self.shop.post("/webhooks/stripe", content=body, headers=headers)
            self.deliveries.append((kind, answer.status_code))
            if answer.is_success:
                break
        return answer
