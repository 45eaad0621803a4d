"""The cart and its way to the payment provider."""

from decimal import Decimal
from typing import Annotated
from uuid import UUID, uuid4

import asyncpg
from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from . import checkout, why
from .errors import code_of
from .face import document, go
from .payments import PaymentError
from .visit import new_guest, page, shopper, signed_in, templates, visiting

router = APIRouter(include_in_schema=False)

templates.env.globals["REFUSALS"] = why.REFUSALS
EMPTY = {"lines": [], "unavailable": []}


@router.get("/cart")
async def cart(request: Request) -> Response:
    if (user := shopper(request)) is None:
        return page(request, "cart.html", quote=EMPTY)
    code = request.session.get("code") or None
    asked = {"user_id": user, "tier_code": request.session.get("tier"), "promo_code": code}
    async with visiting(request) as marketplace:
        quote = document(await marketplace.value("price_cart", **asked))
        steps = await marketplace.rows("explain_cart", **asked)
        reasons = await why.reasons(marketplace, quote, steps)
        lines = await marketplace.rows("cart_lines", **asked) if quote["unavailable"] else []
        withdrawn = {str(line["add_on_id"]): line["name"] for line in lines if line["total"] is None}
    # One key for each showing of the cart: pressing the button twice is one checkout.
    return page(
        request, "cart.html", quote=quote, reasons=reasons, steps=why.steps(quote, steps), withdrawn=withdrawn, code=code or "",
        key=str(uuid4()),
    )  # fmt: skip


async def change(request: Request, function: str, **arguments: object) -> Response:
    """Changes the cart and shows it, with the error if there was one."""
    user = shopper(request) or new_guest(request)
    try:
        async with request.app.state.database.transaction(user) as marketplace:
            await marketplace.rows(function, user_id=user, **arguments)
    except asyncpg.PostgresError as error:
        return go(request, "/cart", for_shoppers(error))
    return go(request, "/cart")


@router.post("/cart/add")
async def add(request: Request, add_on_id: Annotated[UUID, Form()]) -> Response:
    return await change(request, "add_to_cart", add_on_id=add_on_id)


@router.post("/cart/set")
async def set_quantity(request: Request, add_on_id: Annotated[UUID, Form()], quantity: Annotated[int, Form()]) -> Response:
    return await change(request, "set_cart_quantity", add_on_id=add_on_id, quantity=quantity)


@router.post("/cart/remove")
async def remove(request: Request, add_on_id: Annotated[UUID, Form()]) -> Response:
    return await change(request, "remove_from_cart", add_on_id=add_on_id)


@router.post("/cart/code")
async def set_code(request: Request, code: Annotated[str, Form()] = "") -> Response:
    request.session["code"] = code.strip()[:50]
    return go(request, "/cart")


@router.post("/checkout")
async def check_out(request: Request, expected_total: Annotated[Decimal, Form()], key: Annotated[str, Form()]) -> Response:
    user = signed_in(request, "Sign in to check out. Your cart will be kept.", "/cart")
    code = request.session.get("code") or None
    try:
        started = await checkout.start(request.app.state, user, request.session.get("tier"), code, expected_total, key)
    except asyncpg.PostgresError as error:
        return go(request, "/cart", for_shoppers(error))
    except PaymentError:
        return go(request, "/account", "The payment provider did not answer. Nothing was charged; your order is listed below.")
    request.session.pop("code", None)
    return go(request, started.pay_at or f"/checkout/{started.checkout_id}")


def for_shoppers(error: asyncpg.PostgresError) -> str:
    """The message for the shopper. Any other error is ours to look into."""
    match code_of(error):
        case "price_changed":
            return "The price has changed. Please look at it again before you pay."
        case "promo_refused":
            reasons = error.detail.split("Reasons: ", 1)[-1].split(".", 1)[0].split(", ")
            return f"The code cannot be used: {', and '.join(why.REFUSALS[reason] for reason in reasons)}."
        case "mixed_billing":
            return "Monthly, yearly and one-time add-ons are paid separately. Please check them out one after the other."
        case "quantity_limit" | "invalid_quantity" | "amount_out_of_range":
            return "You cannot buy that many at once."
        case "add_on_not_for_sale" | "add_on_not_found":
            return "That add-on is no longer sold."
        case "already_owned":
            return "You already own one of these, with no end date."
        case "empty_cart":
            return "Your cart is empty."
        case "checkout_state":
            return "This order is settled already."
    raise error
