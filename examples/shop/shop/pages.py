"""The shop for people: pages made on the server, which work without scripts."""

import json
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg
from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from . import checkout
from .errors import code_of
from .face import document, go, templates_of
from .payments import PaymentError

router = APIRouter(include_in_schema=False)

# Why a code is refused, for shoppers.
REASONS = {
    "unknown": "there is no such code",
    "inactive": "it is no longer in use",
    "expired": "it has expired",
    "exhausted": "it has been used up",
    "below_minimum": "your cart is below its minimum",
    "not_applicable": "it is for other add-ons",
    "tier_not_allowed": "it is for another membership",
    "not_first_purchase": "it is for first purchases",
    "user_not_allowed": "it is for somebody else",
    "user_limit_reached": "you have used it already",
    "empty_cart": "your cart is empty",
}
# The steps of a price, and what they are called on the page.
STEPS = {
    "line": "List prices",
    "rule": "Offers on single add-ons",
    "bundle": "Bundles",
    "bundle_split": "Bundles",
    "promo_condition": "Your code",
    "promo": "Your code",
    "promo_split": "Your code",
    "total": "To pay",
}
COUNTS = {"listed", "applied", "met", "to_pay"}


templates = templates_of(Path(__file__).parent / "templates")
templates.env.globals["REASONS"] = REASONS


def page(request: Request, name: str, status_code: int = 200, **context: Any) -> Response:
    shared = {"user": request.session.get("user"), "notice": request.session.pop("notice", None)}
    return templates.TemplateResponse(request, name, shared | context, status_code=status_code)


@router.get("/")
async def catalog(request: Request, search: str = "", category: str = "", feature_key: str = "") -> Response:
    user = request.session.get("user")
    async with request.app.state.database.transaction(user) as marketplace:
        criteria = {"search": search or None, "category": category or None, "feature_key": feature_key or None}
        found = await marketplace.rows("search_add_ons", **criteria, max_rows=100)
        add_ons = [dict(row) | {"features": json.loads(row["features"])} for row in found]
        query = "SELECT category, count(*) FROM marketplace.add_ons WHERE is_active GROUP BY category ORDER BY category"
        categories = await marketplace.connection.fetch(query)
        owned = {row["add_on_id"] for row in await marketplace.rows("active_add_ons", user_id=user)} if user else set()
        currency = await marketplace.currency()
    context = {"add_ons": add_ons, "categories": categories, "owned": owned, "currency": currency}
    return page(request, "catalog.html", **context, search=search, category=category, feature_key=feature_key)


@router.get("/sign-in")
async def sign_in_page(request: Request) -> Response:
    return page(request, "sign_in.html")


@router.post("/sign-in")
async def sign_in(request: Request, name: Annotated[str, Form()]) -> Response:
    """Takes anybody's word. Put your identity provider here: all that the shop needs is the user's id."""
    name = name.strip()
    if not 0 < len(name) <= 255 or "\0" in name:
        return page(request, "sign_in.html", 422, mistake="A name has 1 to 255 characters.")
    request.session.clear()
    request.session["user"] = name
    return go(request, "/")


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    request.session.clear()
    return go(request, "/")


@router.post("/cart/add")
async def add_to_cart(request: Request, add_on_id: Annotated[UUID, Form()]) -> Response:
    user = request.session.get("user")
    if user is None:
        return go(request, "/sign-in", "Sign in to fill a cart.")
    try:
        async with request.app.state.database.transaction(user) as marketplace:
            await marketplace.rows("add_to_cart", user_id=user, add_on_id=add_on_id)
    except asyncpg.PostgresError as error:
        return go(request, "/cart", for_shoppers(error))
    return go(request, "/cart")


@router.post("/cart/set")
async def set_quantity(request: Request, add_on_id: Annotated[UUID, Form()], quantity: Annotated[int, Form()]) -> Response:
    user = request.session.get("user")
    if user is None:
        return go(request, "/sign-in")
    try:
        async with request.app.state.database.transaction(user) as marketplace:
            await marketplace.rows("set_cart_quantity", user_id=user, add_on_id=add_on_id, quantity=quantity)
    except asyncpg.PostgresError as error:
        return go(request, "/cart", for_shoppers(error))
    return go(request, "/cart")


@router.post("/cart/code")
async def set_code(request: Request, code: Annotated[str, Form()] = "") -> Response:
    request.session["code"] = code.strip()[:50]
    return go(request, "/cart")


@router.get("/cart")
async def cart(request: Request) -> Response:
    user = request.session.get("user")
    if user is None:
        return go(request, "/sign-in", "Sign in to see your cart.")
    code = request.session.get("code") or None
    asked = {"user_id": user, "tier_code": request.session.get("tier"), "promo_code": code}
    async with request.app.state.database.transaction(user) as marketplace:
        quote = document(await marketplace.value("price_cart", **asked))
        names = {line["add_on_id"]: line["name"] for line in quote["lines"]}
        steps = explained(await marketplace.rows("explain_cart", **asked), names)
    # One key for each showing of the cart: pressing the button twice is one checkout.
    return page(request, "cart.html", quote=quote, steps=steps, code=code or "", key=str(uuid4()))


def explained(rows: list[asyncpg.Record], names: dict[str, str]) -> list[dict[str, Any]]:
    """The rows of explain_cart by the page's steps, each with what it is about and whether it counts."""

    def entry(row: asyncpg.Record) -> dict[str, Any]:
        about = names.get(str(row["add_on_id"]), row["source"]) if row["add_on_id"] else row["source"]
        return {
            "about": "" if row["stage"] == "promo_condition" else "Your cart" if about == "cart" else about,
            "detail": row["detail"],
            "discount": row["discount"],
            "counts": row["outcome"] in COUNTS,
            "part": row["stage"].endswith("_split") or row["stage"] == "promo_condition",
            "outcome": row["outcome"].replace("_", " "),
        }

    groups = groupby(rows, key=lambda row: STEPS[row["stage"]])
    return [{"title": title, "entries": [entry(row) for row in group]} for title, group in groups]


@router.post("/checkout")
async def check_out(request: Request, expected_total: Annotated[Decimal, Form()], key: Annotated[str, Form()]) -> Response:
    user = request.session.get("user")
    if user is None:
        return go(request, "/sign-in")
    code = request.session.get("code") or None
    try:
        started = await checkout.start(request.app.state, user, request.session.get("tier"), code, expected_total, key)
    except asyncpg.PostgresError as error:
        return go(request, "/cart", for_shoppers(error))
    except PaymentError:
        return go(request, "/features", "The payment provider did not answer. Nothing was charged; your order is listed below.")
    request.session.pop("code", None)
    return go(request, started.pay_at or f"/checkout/{started.checkout_id}")


def for_shoppers(error: asyncpg.PostgresError) -> str:
    """What somebody who shops should hear. Anything else is ours to look into."""
    match code_of(error):
        case "price_changed":
            return "The price has changed. Please look at it again before you pay."
        case "promo_refused":
            reasons = error.detail.split("Reasons: ", 1)[-1].split(".", 1)[0].split(", ")
            return f"The code cannot be used: {', and '.join(REASONS[reason] for reason in reasons)}."
        case "mixed_billing":
            return "Monthly, yearly and one-time add-ons are paid separately. Please check them out one after the other."
        case "quantity_limit" | "invalid_quantity" | "amount_out_of_range":
            return "That many cannot be bought at once."
        case "add_on_not_for_sale" | "add_on_not_found":
            return "That add-on is no longer sold."
        case "empty_cart":
            return "Your cart is empty."
        case "checkout_state":
            return "This order is settled already."
    raise error


ORDER = """
    SELECT a.name, p.quantity, p.amount, p.currency, p.status, p.promo_code, p.subscription_ends_at, page.pay_at
      FROM marketplace.add_on_purchases p JOIN marketplace.add_ons a ON a.id = p.add_on_id
      LEFT JOIN shop.payment_pages page USING (checkout_id)
     WHERE p.checkout_id = $1 AND p.user_id = $2
     ORDER BY (p.metadata ->> 'position')::integer
"""


@router.get("/checkout/{checkout_id}")
async def order(request: Request, checkout_id: UUID) -> Response:
    user = request.session.get("user")
    async with request.app.state.database.transaction(user) as marketplace:
        lines = await marketplace.connection.fetch(ORDER, checkout_id, user)
    if not lines:
        return page(request, "missing.html", 404)
    total = sum(line["amount"] for line in lines)
    return page(request, "order.html", lines=lines, total=total, status=lines[0]["status"], checkout_id=checkout_id)


@router.post("/checkout/{checkout_id}/give-up")
async def give_up(request: Request, checkout_id: UUID) -> Response:
    user = request.session.get("user")
    if user is None:
        return go(request, "/sign-in")
    try:
        await checkout.give_up(request.app.state, user, checkout_id)
    except (asyncpg.ObjectNotInPrerequisiteStateError, PaymentError):
        return go(request, f"/checkout/{checkout_id}", "This order is settled already.")
    return go(request, "/cart", "The order was given up, and its add-ons are in your cart again.")


@router.get("/features")
async def features(request: Request) -> Response:
    user = request.session.get("user")
    if user is None:
        return go(request, "/sign-in", "Sign in to see your features.")
    async with request.app.state.database.transaction(user) as marketplace:
        add_ons = await marketplace.rows("active_add_ons", user_id=user)
        names = {row["add_on_id"]: row["name"] for row in add_ons}
        mine = await marketplace.rows("user_features", user_id=user)
        usage = {row["feature_key"]: row for row in await marketplace.rows("feature_usage", user_id=user)}
        due = await marketplace.connection.fetch("SELECT * FROM marketplace.upcoming_renewals($1, 'infinity')", user)
        renewals = {row["add_on_id"]: row for row in due}
        query = "SELECT h.*, p.checkout_id FROM marketplace.purchase_history(user_id => $1) h JOIN marketplace.add_on_purchases p ON p.id = h.purchase_id"
        history = await marketplace.connection.fetch(query + " ORDER BY h.purchased_at DESC, h.name", user)
    return page(request, "features.html", add_ons=add_ons, names=names, features=mine, usage=usage, renewals=renewals, history=history)


@router.get("/lab/{place}")
async def lab(request: Request, place: str) -> Response:
    """Only for who has the feature; the middleware asks before this runs."""
    if (feature := request.app.state.protected.get(f"/lab/{place}")) is None:
        return page(request, "missing.html", 404)
    user = request.session["user"]
    async with request.app.state.database.transaction(user) as marketplace:
        configuration = await marketplace.value("feature_configuration", user_id=user, feature_key=feature)
    return page(request, "lab.html", feature=feature, configuration=configuration)
