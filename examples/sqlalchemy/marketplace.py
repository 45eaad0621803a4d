"""The marketplace's tables as SQLAlchemy models, for reading with the ORM and for foreign keys to them.

The extension makes the tables: never call create_all() on this metadata, and leave it out of Alembic's autogenerate
(examples/alembic shows how). Writing goes through the functions, which keep carts, codes and purchases consistent.
Where the extension lies in a schema of its own that is not on the search_path, give the engine
execution_options={"schema_translate_map": {None: "marketplace"}} and call functions as func.marketplace.cart_total(...).
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Optional
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Numeric, PrimaryKeyConstraint, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, UUID as UuidColumn
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


def with_default(expression: str):
    return mapped_column(server_default=text(expression))


Id = Annotated[UUID, with_default("gen_random_uuid()")]
CreatedAt = Annotated[datetime, with_default("now()")]
# A trigger keeps it, so it is read back after an update.
UpdatedAt = Annotated[datetime, mapped_column(server_default=text("now()"), server_onupdate=text("now()"))]
Flag = Annotated[bool, with_default("true")]
Count = Annotated[int, with_default("0")]
Document = Annotated[dict[str, Any], with_default("'{}'")]
# The catalog refuses a third decimal by a constraint, where a type with decimals would round it away.
Price = Annotated[Decimal, mapped_column(Numeric())]
Discount = Annotated[Decimal, mapped_column(Numeric(), server_default=text("0.00"))]


class Marketplace(DeclarativeBase):
    type_annotation_map = {
        str: Text,
        datetime: TIMESTAMP(timezone=True),
        Decimal: Numeric(10, 2),
        UUID: UuidColumn(as_uuid=True),
        dict[str, Any]: JSONB,
        list[dict[str, Any]]: JSONB,
        list[str]: JSONB,
        list[UUID]: ARRAY(UuidColumn(as_uuid=True)),
    }


def of_add_on(table: str, on_delete: str):
    return ForeignKeyConstraint(["add_on_id"], ["add_ons.id"], name=f"{table}_add_on_id_fkey", ondelete=on_delete)


def key(table: str):
    return PrimaryKeyConstraint("id", name=f"{table}_pkey")


def check(table: str, what: str, condition: str):
    return CheckConstraint(condition, name=f"{table}_{what}_check")


# Rows that are deleted with their add-on, by the database.
IN_ITS_HANDS = {"cascade": "all, delete-orphan", "passive_deletes": True}

CENTS = "{0} = round({0}, 2) AND {0} < 100000000"
BILLING_TYPES = "billing_type IN ('one_time', 'monthly', 'annual', 'usage_based')"


class AddOn(Marketplace):
    __tablename__ = "add_ons"
    __table_args__ = (
        key("add_ons"),
        UniqueConstraint("name", name="add_ons_name_key"),
        check("add_ons", "category", "category ~ '^[a-z0-9]+(-[a-z0-9]+)*$'"),
        check("add_ons", "base_price", "base_price >= 0"),
        check("add_ons", "base_price_decimals", CENTS.format("base_price")),
        check("add_ons", "billing_type", BILLING_TYPES),
        check("add_ons", "trial_days", "trial_days > 0"),
        check(
            "add_ons",
            "features",
            "jsonb_typeof(features) = 'array' AND NOT jsonb_path_exists(features, 'strict $[*] ? (@.type() != \"string\")')",
        ),
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[Optional[str]]
    category: Mapped[str] = mapped_column(String(100))
    base_price: Mapped[Price]
    billing_type: Mapped[str] = mapped_column(String(50))
    features: Mapped[list[str]] = with_default("'[]'")
    is_active: Mapped[Flag]
    # `metadata` belongs to SQLAlchemy.
    details: Mapped[Document] = mapped_column("metadata")
    is_featured: Mapped[bool] = with_default("false")
    sort_order: Mapped[Count]
    version: Mapped[Optional[str]] = mapped_column(String(50))
    icon_url: Mapped[Optional[str]] = mapped_column(String(512))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    trial_days: Mapped[Optional[int]]

    gives: Mapped[list["AddOnFeature"]] = relationship(back_populates="add_on", **IN_ITS_HANDS)
    pricing_rules: Mapped[list["PricingRule"]] = relationship(back_populates="add_on", **IN_ITS_HANDS)


class UserAddOn(Marketplace):
    __tablename__ = "user_add_ons"
    __table_args__ = (
        key("user_add_ons"),
        UniqueConstraint("user_id", "add_on_id", name="user_add_ons_user_add_on_key"),
        of_add_on("user_add_ons", "RESTRICT"),
        check("user_add_ons", "status", "status IN ('active', 'cancelled', 'expired', 'pending', 'suspended')"),
        check("user_add_ons", "quantity", "quantity > 0"),
        check("user_add_ons", "renewal_amount", "renewal_amount >= 0"),
    )

    id: Mapped[Id]
    user_id: Mapped[str] = mapped_column(String(255))
    add_on_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(String(50), server_default=text("'active'"))
    purchased_at: Mapped[CreatedAt]
    expires_at: Mapped[Optional[datetime]]
    lago_subscription_id: Mapped[Optional[str]] = mapped_column(String(255))
    auto_renew: Mapped[Flag]
    cancellation_reason: Mapped[Optional[str]]
    cancelled_at: Mapped[Optional[datetime]]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    quantity: Mapped[int] = with_default("1")
    renewal_amount: Mapped[Optional[Decimal]]
    suspended_at: Mapped[Optional[datetime]]
    # The extension's functions keep these.
    sources: Mapped[Optional[dict[str, Any]]]
    usage: Mapped[Optional[dict[str, Any]]]
    usage_keys: Mapped[Optional[bytes]]
    paid_periods: Mapped[Optional[list[dict[str, Any]]]]

    add_on: Mapped[AddOn] = relationship()


class AddOnPurchase(Marketplace):
    __tablename__ = "add_on_purchases"
    __table_args__ = (
        key("add_on_purchases"),
        of_add_on("add_on_purchases", "RESTRICT"),
        check("add_on_purchases", "amount", "amount >= 0"),
        check("add_on_purchases", "quantity", "quantity > 0"),
        check("add_on_purchases", "status", "status IN ('pending', 'completed', 'failed', 'refunded', 'disputed')"),
        check("add_on_purchases", "refund_amount", "refund_amount BETWEEN 0 AND amount"),
    )

    id: Mapped[Id]
    user_id: Mapped[str] = mapped_column(String(255))
    add_on_id: Mapped[UUID]
    amount: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(String(3), server_default=text("'USD'"))
    quantity: Mapped[int] = with_default("1")
    checkout_id: Mapped[Optional[UUID]]
    promo_code: Mapped[Optional[str]] = mapped_column(String(50))
    stripe_payment_id: Mapped[Optional[str]] = mapped_column(String(255))
    lago_invoice_id: Mapped[Optional[str]] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(50), server_default=text("'pending'"))
    payment_method: Mapped[Optional[str]] = mapped_column(String(50))
    refund_amount: Mapped[Decimal] = with_default("0")
    refunded_at: Mapped[Optional[datetime]]
    details: Mapped[Document] = mapped_column("metadata")
    purchased_at: Mapped[CreatedAt]
    subscription_ends_at: Mapped[Optional[datetime]]
    created_at: Mapped[CreatedAt]
    # The extension's functions keep these.
    facts: Mapped[Optional[dict[str, Any]]]
    provider_ids: Mapped[Optional[list[str]]] = mapped_column(ARRAY(Text))
    paid: Mapped[Optional[dict[str, Any]]]

    add_on: Mapped[AddOn] = relationship()


class AddOnBundle(Marketplace):
    __tablename__ = "add_on_bundles"
    __table_args__ = (
        key("add_on_bundles"),
        UniqueConstraint("name", name="add_on_bundles_name_key"),
        check("add_on_bundles", "add_on_ids", "cardinality(add_on_ids) >= 2 AND has_no_duplicates(add_on_ids)"),
        check("add_on_bundles", "discount_percent", "discount_percent BETWEEN 0 AND 100"),
        check("add_on_bundles", "discount_percent_decimals", "discount_percent = round(discount_percent, 2)"),
        check("add_on_bundles", "discount_amount", "discount_amount >= 0"),
        check("add_on_bundles", "discount_amount_decimals", CENTS.format("discount_amount")),
        check("add_on_bundles", "window", "valid_from < valid_until"),
        check("add_on_bundles", "max_uses", "max_uses > 0"),
        check("add_on_bundles", "current_uses", "current_uses >= 0 AND current_uses <= max_uses"),
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[Optional[str]]
    add_on_ids: Mapped[list[UUID]]
    discount_percent: Mapped[Discount]
    discount_amount: Mapped[Discount]
    is_active: Mapped[Flag]
    valid_from: Mapped[Optional[datetime]]
    valid_until: Mapped[Optional[datetime]]
    max_uses: Mapped[Optional[int]]
    current_uses: Mapped[Count]
    details: Mapped[Document] = mapped_column("metadata")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class PricingRule(Marketplace):
    __tablename__ = "pricing_rules"
    __table_args__ = (
        key("pricing_rules"),
        of_add_on("pricing_rules", "CASCADE"),
        check("pricing_rules", "discount_percent", "discount_percent BETWEEN 0 AND 100"),
        check("pricing_rules", "discount_percent_decimals", "discount_percent = round(discount_percent, 2)"),
        check("pricing_rules", "discount_amount", "discount_amount >= 0"),
        check("pricing_rules", "discount_amount_decimals", CENTS.format("discount_amount")),
        check("pricing_rules", "conditions", "check_pricing_conditions(conditions)"),
        check("pricing_rules", "window", "valid_from < valid_until"),
    )

    id: Mapped[Id]
    add_on_id: Mapped[UUID]
    tier_code: Mapped[Optional[str]] = mapped_column(String(50))
    discount_percent: Mapped[Discount]
    discount_amount: Mapped[Discount]
    conditions: Mapped[Document]
    priority: Mapped[Count]
    is_active: Mapped[Flag]
    valid_from: Mapped[Optional[datetime]]
    valid_until: Mapped[Optional[datetime]]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    add_on: Mapped[AddOn] = relationship(back_populates="pricing_rules")


class CartItem(Marketplace):
    __tablename__ = "cart_items"
    __table_args__ = (
        key("cart_items"),
        UniqueConstraint("user_id", "add_on_id", name="cart_items_user_add_on_key"),
        of_add_on("cart_items", "CASCADE"),
        check("cart_items", "quantity", "quantity > 0"),
        check("cart_items", "billing_type", BILLING_TYPES),
    )

    id: Mapped[Id]
    user_id: Mapped[str] = mapped_column(String(255))
    add_on_id: Mapped[UUID]
    quantity: Mapped[int] = with_default("1")
    billing_type: Mapped[Optional[str]] = mapped_column(String(50))
    added_at: Mapped[CreatedAt]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    add_on: Mapped[AddOn] = relationship()


class AddOnFeature(Marketplace):
    __tablename__ = "add_on_features"
    __table_args__ = (
        key("add_on_features"),
        UniqueConstraint("add_on_id", "feature_key", name="add_on_features_add_on_feature_key"),
        of_add_on("add_on_features", "CASCADE"),
        check("add_on_features", "configuration", "check_feature_configuration(configuration)"),
    )

    id: Mapped[Id]
    add_on_id: Mapped[UUID]
    feature_key: Mapped[str] = mapped_column(String(100))
    enabled: Mapped[Flag]
    configuration: Mapped[Document]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    add_on: Mapped[AddOn] = relationship(back_populates="gives")


class PromotionalCode(Marketplace):
    __tablename__ = "promotional_codes"
    __table_args__ = (
        key("promotional_codes"),
        UniqueConstraint("code", name="promotional_codes_code_key"),
        check("promotional_codes", "code", "code <> ''"),
        check("promotional_codes", "discount_type", "discount_type IN ('percentage', 'fixed_amount')"),
        check(
            "promotional_codes",
            "discount_value",
            "discount_value > 0 AND (discount_type <> 'percentage' OR discount_value <= 100)",
        ),
        check("promotional_codes", "discount_value_decimals", CENTS.format("discount_value")),
        check(
            "promotional_codes",
            "min_purchase_amount_decimals",
            "min_purchase_amount = round(min_purchase_amount, 2) AND abs(min_purchase_amount) < 100000000",
        ),
        check("promotional_codes", "max_uses", "max_uses > 0"),
        check("promotional_codes", "renewals", "renewals >= 0"),
        check("promotional_codes", "current_uses", "current_uses >= 0 AND current_uses <= max_uses"),
        check("promotional_codes", "user_restrictions", "check_user_restrictions(user_restrictions)"),
    )

    id: Mapped[Id]
    code: Mapped[str] = mapped_column(String(50))
    description: Mapped[Optional[str]]
    discount_type: Mapped[str] = mapped_column(String(20))
    discount_value: Mapped[Price]
    max_uses: Mapped[Optional[int]]
    current_uses: Mapped[Count]
    applicable_to: Mapped[Optional[list[UUID]]]
    min_purchase_amount: Mapped[Discount]
    user_restrictions: Mapped[Document]
    expires_at: Mapped[Optional[datetime]]
    is_active: Mapped[Flag]
    created_by: Mapped[Optional[str]] = mapped_column(String(255))
    details: Mapped[Document] = mapped_column("metadata")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    # NULL for all of them.
    renewals: Mapped[Optional[int]] = with_default("0")
