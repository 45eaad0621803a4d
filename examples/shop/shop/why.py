"""Why a cart costs what it costs: in a shopper's words, and in the exact rows of explain_cart() behind them."""

import json
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any, Mapping, Sequence

import asyncpg

from .database import Marketplace
from .face import PERIODS, day, money, number, words

# Why a code is refused.
REFUSALS = {
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
ALL = {2: "both", 3: "all three", 4: "all four", 5: "all five"}

RULES = "SELECT * FROM marketplace.pricing_rules WHERE id = ANY ($1)"
BUNDLES = "SELECT * FROM marketplace.add_on_bundles WHERE id = ANY ($1)"
CODE = "SELECT * FROM marketplace.promotional_codes WHERE code = $1"
NAMES = "SELECT id::text, name FROM marketplace.add_ons"


@dataclass(frozen=True)
class Reason:
    text: str
    #: What it takes off; None where it takes nothing.
    discount: Decimal | None = None


async def reasons(marketplace: Marketplace, quote: Mapping[str, Any], rows: Sequence[asyncpg.Record]) -> list[Reason]:
    """What made the cart cheaper, in the order in which it did."""
    applied = [row for row in rows if row["outcome"] == "applied"]
    rules = await of(marketplace, RULES, [row["source_id"] for row in applied if row["stage"] == "rule"])
    bundles = await of(marketplace, BUNDLES, [row["source_id"] for row in applied if row["stage"] == "bundle"])
    names = dict(await marketplace.connection.fetch(NAMES))
    currency = quote["currency"]
    found = [
        Reason(rule_in_words(rules[row["source_id"]], names, currency), row["discount"])
        for row in applied
        if row["stage"] == "rule" and row["discount"]
    ]
    for bundle in quote["bundles"]:
        held = [line["name"] for line in quote["lines"] if bundle["bundle_id"] in line["bundles"]]
        found.append(Reason(bundle_in_words(bundle, bundles[bundle["bundle_id"]], held, currency), bundle["discount"]))
    if promo := quote["promo"]:
        kept = await marketplace.connection.fetchrow(CODE, promo["code"]) if promo["valid"] else None
        found.append(code_in_words(promo, kept, names, currency))
    return found


async def of(marketplace: Marketplace, query: str, ids: Sequence[Any]) -> dict[Any, asyncpg.Record]:
    """Rows by their id, which quotes write as text."""
    rows = await marketplace.connection.fetch(query, list(ids))
    return {key: row for row in rows for key in (row["id"], str(row["id"]))}


def off(row: Mapping[str, Any], currency: str, each: str) -> str:
    """20 % and $5.00 a unit off"""
    percent = f"{number(row['discount_percent'])} %" if row["discount_percent"] else None
    amount = f"{money(row['discount_amount'], currency)}{each}" if row["discount_amount"] else None
    return f"{' and '.join(filter(None, (percent, amount)))} off"


def listed(names: Sequence[str]) -> str:
    """A, B and C"""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def bundle_in_words(bundle: Mapping[str, Any], row: Mapping[str, Any], held: Sequence[str], currency: str) -> str:
    times = f", {bundle['instances']} times" if bundle["instances"] > 1 else ""
    every = ALL.get(len(held), f"all {len(held)}")
    return f"{off(row, currency, '')} {listed(held)}{times}, because you have {every} ({bundle['name']})"


def rule_in_words(rule: Mapping[str, Any], names: Mapping[str, str], currency: str) -> str:
    because = listed(list(conditions_in_words(rule, names, currency)))
    until = f", until {day(rule['valid_until'])}" if rule["valid_until"] else ""
    return f"{off(rule, currency, ' a unit')} {names[str(rule['add_on_id'])]}{f', because {because}' if because else ''}{until}"


def conditions_in_words(rule: Mapping[str, Any], names: Mapping[str, str], currency: str):
    conditions = json.loads(rule["conditions"], parse_float=Decimal)
    if rule["tier_code"]:
        yield f"you are {words(rule['tier_code'])}"
    for key, value in conditions.items():
        match key:
            case "min_quantity" if value > 1:
                yield f"you take {value} or more"
            case "max_quantity":
                yield f"you take no more than {value}"
            case "min_subtotal":
                yield f"your cart comes to {money(value, currency)} or more"
            case "requires_addon":
                yield f"you have {listed([names.get(add_on, '?') for add_on in value])}"
            case "excludes_addon":
                yield f"you do not have {' or '.join(names.get(add_on, '?') for add_on in value)}"
            case "billing_type":
                yield f"you pay {' or '.join(PERIODS[kind] for kind in ([value] if isinstance(value, str) else value))}"
            case "first_purchase_only" if value:
                yield "it is your first order"


def code_in_words(promo: Mapping[str, Any], row: asyncpg.Record | None, names: Mapping[str, str], currency: str) -> Reason:
    if not promo["valid"]:
        refusals = ", and ".join(REFUSALS[reason] for reason in promo["reasons"])
        return Reason(f"Your code {promo['code']} takes nothing off: {refusals}")
    is_percentage = promo["discount_type"] == "percentage"
    value = f"{number(promo['discount_value'])} %" if is_percentage else money(promo["discount_value"], currency)
    only = listed([names.get(str(add_on), "?") for add_on in row["applicable_to"]]) if row and row["applicable_to"] else "everything"
    return Reason(f"{value} off {only}, with your code {promo['code']}", promo["discount"])


def steps(quote: Mapping[str, Any], rows: Sequence[asyncpg.Record]) -> list[dict[str, Any]]:
    """The rows of explain_cart() by the page's steps, each with what it is about and whether it counts."""
    names = {line["add_on_id"]: line["name"] for line in quote["lines"]}

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

    order = list(STEPS)
    by_step = groupby(sorted(rows, key=lambda row: order.index(row["stage"])), key=lambda row: STEPS[row["stage"]])
    return [{"title": title, "entries": [entry(row) for row in group]} for title, group in by_step]
