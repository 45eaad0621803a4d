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
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp

from . import payloads

templates = Jinja2Templates(Path(__file__).parent / "templates")


@dataclass
class Session:
    id: str
    url: str
    form: dict[str, Any]
    status: str = "open"
    refunded: int = 0
    invoices: int = 1
    key: str = field(default_factory=lambda: uuid4().hex[:24])

    @property
    def mode(self) -> str:
        return self.form["mode"]

    @property
    def checkout_id(self) -> str:
        return self.form["client_reference_id"]

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [line["price_data"] | {"quantity": int(line["quantity"])} for line in self.form["line_items"].values()]

    @property
    def total(self) -> int:
        return sum(int(line["unit_amount"]) * line["quantity"] for line in self.lines)

    @property
    def currency(self) -> str:
        return self.lines[0]["currency"]

    @property
    def subscription(self) -> str | None:
        return f"sub_{self.key}" if self.mode == "subscription" else None

    @property
    def invoice(self) -> str | None:
        return f"in_{self.key}" if self.mode == "subscription" else None

    @property
    def payment(self) -> str:
        return f"pi_{self.key}"


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
        self.by_idempotency_key: dict[str, tuple[dict[str, str], Session]] = {}
        #: Every delivery, with the status of the shop's answer.
        self.deliveries: list[tuple[str, int]] = []
        self.api = self._api()
        self.pages = self._pages()

    def _api(self) -> FastAPI:
        api = FastAPI()

        @api.post("/v1/checkout/sessions")
        async def create(request: Request, idempotency_key: str = Header(), authorization: str = Header()) -> dict[str, Any]:
            if not authorization.startswith("Bearer sk_"):
                raise HTTPException(401)
            form = {name: str(value) for name, value in (await request.form()).items()}
            given, session = self.by_idempotency_key.get(idempotency_key, (form, None))
            if given != form:
                raise HTTPException(400, {"error": {"type": "idempotency_error"}})
            if session is None:
                session_id = f"cs_test_{uuid4().hex}"
                session = Session(session_id, f"{self.public_url}/provider/pay/{session_id}", nested(form))
                self.sessions[session.id] = session
                self.by_idempotency_key[idempotency_key] = (form, session)
            return payloads.checkout_session(session)

        @api.post("/v1/checkout/sessions/{session_id}/expire")
        async def expire(session_id: str) -> dict[str, Any]:
            session = self.sessions.get(session_id)
            if session is None or session.status != "open":
                raise HTTPException(400, {"error": {"message": "only open sessions can be expired"}})
            session.status = "expired"
            await self.tell("checkout.session.expired", payloads.checkout_session(session))
            return payloads.checkout_session(session)

        return api

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

    def session_of(self, checkout_id: str) -> Session:
        return next(session for session in self.sessions.values() if session.checkout_id == checkout_id)

    async def pay(self, session: Session) -> None:
        """What Stripe sends of a payment, in an order that Stripe does not promise either."""
        session.status = "complete"
        if session.mode == "subscription":
            await self.tell("invoice.paid", payloads.invoice(session, 1, int(time.time()) + 30 * 86_400))
        await self.tell("payment_intent.succeeded", payloads.payment_intent(session))
        await self.tell("checkout.session.completed", payloads.checkout_session(session))

    async def renew(self, session: Session, end: int) -> None:
        session.invoices += 1
        await self.tell("invoice.paid", payloads.invoice(session, session.invoices, end))

    async def refund(self, session: Session, amount: int) -> None:
        session.refunded += amount
        await self.tell("charge.refunded", payloads.charge(session))

    async def dispute(self, session: Session, event: str, status: str) -> None:
        await self.tell(f"charge.dispute.{event}", payloads.dispute(session, status))

    async def end(self, session: Session) -> None:
        await self.tell("customer.subscription.deleted", payloads.subscription(session, "canceled", int(time.time()), True))

    async def tell(self, kind: str, about: dict[str, Any]) -> httpx.Response:
        event = payloads.published("event", id=f"evt_{uuid4().hex}", type=kind, created=int(time.time()), data={"object": about})
        return await self.deliver(kind, json.dumps(event, indent=2).encode())

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
