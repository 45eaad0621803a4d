"""Checks of the model itself against what was computed by hand, without a database."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import model
import pytest

AT = datetime(2026, 1, 1, tzinfo=UTC)
A, B, C = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abc")
RULE_1, RULE_2, RULE_3, BUNDLE = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "1234")


@pytest.mark.parametrize(
    ("discount", "weights", "parts"),
    [
        (100, {A: 100, B: 100, C: 100}, {A: 34, B: 33, C: 33}),  # 33 1/3 each: the cent left goes to the smallest id
        (10, {A: 6, B: 3, C: 5}, {A: 4, B: 2, C: 4}),  # 4 4/14, 2 2/14, 3 8/14: it goes to the largest remainder
        (5, {A: 1, B: 1, C: 8}, {A: 1, B: 0, C: 4}),  # 1/2, 1/2, 4
        (7, {A: 1, B: 1, C: 6}, {A: 1, B: 1, C: 5}),  # 7/8, 7/8, 5 2/8: two cents left, and two lines at their caps
        (8, {A: 1, B: 7, C: 0}, {A: 1, B: 7, C: 0}),  # everything
        (1, {A: 0, B: 3, C: 3}, {A: 0, B: 1, C: 0}),  # a line of nothing gets nothing
        (0, {A: 0, B: 0}, {A: 0, B: 0}),
        (0, {}, {}),
    ],
)
def test_split(discount, weights, parts):
    """Whatever the order of the lines."""
    assert model.split(discount, weights, 1) == parts
    assert model.split(discount, dict(reversed(weights.items())), 1) == parts
    in_yen = [{add_on_id: 100 * part for add_on_id, part in amounts.items()} for amounts in (weights, parts)]
    assert model.split(100 * discount, in_yen[0], 100) == in_yen[1]


@pytest.mark.parametrize(("numerator", "quotient"), [(0, 0), (4, 0), (5, 1), (14, 1), (15, 2)])
def test_rounded_goes_away_from_zero(numerator, quotient):
    """Tenths of a cent, and of a yen."""
    assert model.rounded(numerator, 10, 1) == quotient
    assert model.rounded(100 * numerator, 10, 100) == 100 * quotient


def market():
    """Two stackable rules and one that is not on A, a bundle of A and B, and a code for A and C."""
    always = {"is_active": True, "valid_from": None, "valid_until": None}
    rule = {"add_on_id": A, "tier_code": None, **always}
    return model.Marketplace(
        add_ons={
            A: model.AddOn(A, "Add-on A", 33_33, "monthly", True),
            B: model.AddOn(B, "Add-on B", 19_99, "annual", True),
            C: model.AddOn(C, "Add-on C", 5_00, "one_time", True),
        },
        rules=[
            model.PricingRule(RULE_3, discount_percent=90_00, discount_amount=0, conditions={}, priority=1, **rule),
            model.PricingRule(
                RULE_2, discount_percent=0, discount_amount=50, conditions={"stackable": True}, priority=0, **rule
            ),
            model.PricingRule(
                RULE_1, discount_percent=10_00, discount_amount=0, conditions={"stackable": True}, priority=2, **rule
            ),
        ],
        bundles=[
            model.Bundle(BUNDLE, "Bundle", (B, A), 15_00, 1_00, max_uses=9, current_uses=0, **always),
        ],
        codes=[model.PromotionalCode("EIGHTH", "percentage", 12_50, None, 0, (A, C), 116_62, {}, None, True)],
    )


def test_quote():
    """One quote in which every step does something.

    Lines   A: 3 × 33.33 = 99.99    B: 2 × 19.99 = 39.98    C: 1 × 5.00    together 144.97
    Rules   Rule 1 has the highest priority and is stackable: round(99.99 × 10 %) = round(9.999) = 10.00, 89.99 remain.
            Rule 3 is not stackable. Rule 2 follows: 0.50 × 3 = 1.50, 88.49 remain.
    Bundle  One instance: A round(88.49 / 3) = 29.50, B 19.99, base 49.49, saves round(7.4235) + 1.00 = 8.42.
            Two: A round(88.49 × 2 / 3) = 58.99, B 39.98, base 98.97, save round(14.8455) + 2.00 = 16.85, which is more.
            1685 over 5899 : 3998 is 1004 3227/9897 and 680 6670/9897, so A 10.04 and B 6.81;
            78.45 and 33.17 remain, with C 116.62, exactly what the code asks for.
    Code    A and C: 78.45 + 5.00 = 83.45, round(83.45 × 12.5 %) = round(10.43125) = 10.43.
            1043 over 7845 : 500 is 980 4235/8345 and 62 4110/8345, so A 9.81 and C 0.62.
    Totals  A 68.64, B 33.17, C 4.38, together 106.19, which is 38.78 = 11.50 + 16.85 + 10.43 below the list.
    """
    document = model.quote(market(), [(C, 1), (A, 1), (B, 2), (A, 2)], "user", "pro", " eighth ", AT)
    amounts = ("list_amount", "rule_discount", "bundle_discount", "promo_discount", "total")
    lines = document.pop("lines")
    assert [[str(line[amount]) for amount in amounts] for line in lines] == [
        ["99.99", "11.50", "10.04", "9.81", "68.64"],
        ["39.98", "0.00", "6.81", "0.00", "33.17"],
        ["5.00", "0.00", "0.00", "0.62", "4.38"],
    ]
    assert [line["rules"] for line in lines] == [[RULE_1, RULE_2], [], []]
    assert [line["bundles"] for line in lines] == [[BUNDLE], [BUNDLE], []]
    assert document == {
        "user_id": "user",
        "tier_code": "pro",
        "currency": "USD",
        "priced_at": AT,
        "unavailable": [],
        "bundles": [
            {
                "bundle_id": BUNDLE,
                "name": "Bundle",
                "instances": 2,
                "base": Decimal("98.97"),
                "discount": Decimal("16.85"),
            }
        ],
        "bundle_search": "exact",
        "promo": {
            "code": "EIGHTH",
            "valid": True,
            "reasons": [],
            "discount_type": "percentage",
            "discount_value": Decimal("12.50"),
            "eligible_amount": Decimal("83.45"),
            "discount": Decimal("10.43"),
        },
        "list_total": Decimal("144.97"),
        "discount_total": Decimal("38.78"),
        "total": Decimal("106.19"),
        "line_count": 3,
        "item_count": 6,
    }


def test_quote_in_yen():
    """The same tables, in a currency that has no decimals: list prices of 3333, 1999 and 500 yen.

    Lines   A: 3 × 3333 = 9999    B: 2 × 1999 = 3998    C: 1 × 500    together 14497
    Rules   Rule 1: round(999.9) = 1000, 8999 remain. Rule 2: 0.50 × 3 = 1.50, rounded 2, 8997 remain.
    Bundle  One instance: A 8997 / 3 = 2999, B 1999, base 4998, saves round(749.7) + 1 = 751.
            Two: A 5998, B 3998, base 9996, save round(1499.4) + 2 = 1501, which is less than twice as much and more than once.
            1501 over 5998 : 3998 is 900 6598/9996 and 600 3398/9996, so A 901 and B 600; 8096 and 3398 remain, with C 11994.
    Code    A and C: 8096 + 500 = 8596, round(8596 × 12.5 %) = round(1074.5) = 1075.
            1075 over 8096 : 500 is 1012 4048/8596 and 62 4548/8596, so A 1012 and C 63.
    Totals  A 7084, B 3398, C 437, together 10919.
    """
    usd = market()
    add_ons = {add_on.id: replace(add_on, base_price=100 * add_on.base_price) for add_on in usd.add_ons.values()}
    yen = replace(usd, add_ons=add_ons, currency="JPY")
    document = model.quote(yen, [(C, 1), (A, 3), (B, 2)], "user", "pro", "eighth", AT)
    amounts = ("list_amount", "rule_discount", "bundle_discount", "promo_discount", "total")
    assert [[int(line[amount]) for amount in amounts] for line in document["lines"]] == [
        [9999, 1002, 901, 1012, 7084],
        [3998, 0, 600, 0, 3398],
        [500, 0, 0, 63, 437],
    ]
    assert (document["currency"], document["total"]) == ("JPY", Decimal("10919.00"))


def test_a_price_that_nobody_can_charge():
    """33.33 yen."""
    with pytest.raises(model.NotChargeable):
        model.quote(replace(market(), currency="JPY"), [(A, 1)], None, None, None, AT)
