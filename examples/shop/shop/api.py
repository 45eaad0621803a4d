"""The shop for programs. An endpoint is a call of a function: its arguments, its answer, and nothing decided in between."""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, HTTPException, Request
from pydantic import BaseModel
from starlette.responses import Response

from . import checkout
from .database import Database

router = APIRouter(prefix="/api")


class Json(Response):
    media_type = "application/json"


def database(request: Request) -> Database:
    return request.app.state.database


def signed_in(request: Request) -> str:
    if user := request.session.get("user"):
        return user
    raise HTTPException(401, "sign in first")


def tier(request: Request) -> str | None:
    return request.session.get("tier")


Db = Annotated[Database, Depends(database)]
User = Annotated[str, Depends(signed_in)]
Tier = Annotated[str | None, Depends(tier)]


class Quantity(BaseModel):
    quantity: int = 1


class Order(BaseModel):
    promo_code: str | None = None
    expected_total: Decimal | None = None


@router.get("/catalog")
async def catalog(
    db: Db,
    search: str | None = None,
    category: str | None = None,
    feature_key: str | None = None,
    min_price: Decimal | None = None,
    max_price: Decimal | None = None,
    max_rows: int = 20,
    skip: int = 0,
) -> Json:
    async with db.transaction() as marketplace:
        criteria = {"search": search, "category": category, "feature_key": feature_key, "min_price": min_price, "max_price": max_price}
        return Json(await marketplace.json("list_add_ons", **criteria, max_rows=max_rows, skip=skip))


@router.get("/catalog/categories")
async def categories(db: Db) -> list[dict]:
    async with db.transaction() as marketplace:
        query = "SELECT category, count(*) AS add_ons FROM marketplace.add_ons WHERE is_active GROUP BY category ORDER BY category"
        return [dict(row) for row in await marketplace.connection.fetch(query)]


@router.get("/cart")
async def cart(db: Db, user: User, tier: Tier, promo_code: str | None = None) -> Json:
    async with db.transaction(user) as marketplace:
        return Json(await marketplace.value("price_cart", user_id=user, tier_code=tier, promo_code=promo_code))


@router.get("/cart/lines")
async def cart_lines(db: Db, user: User, tier: Tier, promo_code: str | None = None) -> Json:
    async with db.transaction(user) as marketplace:
        return Json(await marketplace.json("cart_lines", user_id=user, tier_code=tier, promo_code=promo_code))


@router.get("/cart/explanation")
async def explanation(db: Db, user: User, tier: Tier, promo_code: str | None = None) -> Json:
    async with db.transaction(user) as marketplace:
        return Json(await marketplace.json("explain_cart", user_id=user, tier_code=tier, promo_code=promo_code))


@router.post("/cart/{add_on_id}")
async def add_to_cart(db: Db, user: User, add_on_id: UUID, wanted: Quantity = Quantity()) -> Json:
    async with db.transaction(user) as marketplace:
        return Json(await marketplace.json("add_to_cart", user_id=user, add_on_id=add_on_id, quantity=wanted.quantity))


@router.put("/cart/{add_on_id}")
async def set_quantity(db: Db, user: User, add_on_id: UUID, wanted: Quantity) -> Json:
    async with db.transaction(user) as marketplace:
        return Json(await marketplace.json("set_cart_quantity", user_id=user, add_on_id=add_on_id, quantity=wanted.quantity))


@router.delete("/cart/{add_on_id}")
async def remove_from_cart(db: Db, user: User, add_on_id: UUID) -> bool:
    async with db.transaction(user) as marketplace:
        return await marketplace.value("remove_from_cart", user_id=user, add_on_id=add_on_id)


@router.delete("/cart")
async def clear_cart(db: Db, user: User) -> int:
    async with db.transaction(user) as marketplace:
        return await marketplace.value("clear_cart", user_id=user)


@router.get("/promo/{code}")
async def promo(db: Db, user: User, tier: Tier, code: str) -> Json:
    async with db.transaction(user) as marketplace:
        return Json(await marketplace.json("validate_promo_code", code=code, user_id=user, tier_code=tier))


@router.post("/checkout", status_code=201)
async def check_out(request: Request, user: User, tier: Tier, order: Order, idempotency_key: Annotated[str | None, Header()] = None) -> dict:
    sold = await checkout.start(request.app.state, user, tier, order.promo_code, order.expected_total, idempotency_key)
    return {"checkout_id": str(sold.checkout_id), "pay_at": sold.pay_at}


@router.get("/purchases")
async def purchases(db: Db, user: User, status: str | None = None, max_rows: int = 50, skip: int = 0) -> Json:
    async with db.transaction(user) as marketplace:
        return Json(await marketplace.json("list_purchases", user_id=user, status=status, max_rows=max_rows, skip=skip))


@router.get("/add-ons")
async def add_ons(db: Db, user: User) -> Json:
    async with db.transaction(user) as marketplace:
        return Json(await marketplace.json("active_add_ons", user_id=user))


@router.get("/features")
async def features(db: Db, user: User) -> Json:
    async with db.transaction(user) as marketplace:
        return Json(await marketplace.json("user_features", user_id=user))


@router.get("/features/{feature_key}")
async def feature(db: Db, user: User, feature_key: str) -> Json:
    async with db.transaction(user) as marketplace:
        configuration = await marketplace.value("feature_configuration", user_id=user, feature_key=feature_key)
    if configuration is None:
        raise HTTPException(404, f"you do not have the feature {feature_key}")
    return Json(configuration)
