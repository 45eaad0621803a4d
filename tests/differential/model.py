"""The pricing rules a second time, in plain Python: what the extension's quotes are compared with.

Written from the specification alone and in its order, without regard to speed where clarity costs little. Amounts are
whole cents and percentages whole hundredths of a percent, so every quotient is one of integers. Add-ons, rules, bundles
and carts carry their ids as lower-case UUID strings, whose order is the order of the database.
"""

import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cache
from math import prod
from operator import attrgetter
from uuid import UUID

EXACT_SEARCH_LIMIT = 65_536
# Section 8: currencies without decimals in ISO 4217 are charged in whole units, all others in cents.
WHOLE_CURRENCIES = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split()
# Characters without width that a paste can bring along.
RANGES_OF_INVISIBLE = ((0xAD, 0xAD), (0x180E, 0x180E), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0xFEFF, 0xFEFF))
INVISIBLE = {chr(code) for first, last in RANGES_OF_INVISIBLE for code in range(first, last + 1)}
REASONS = (
    "unknown",
    "inactive",
    "expired",
    "exhausted",
    "below_minimum",
    "not_applicable",
    "tier_not_allowed",
    "not_first_purchase",
    "user_not_allowed",
    "user_limit_reached",
    "empty_cart",
)


class Refused(Exception):
    """A call that must fail, with the SQLSTATE it fails with."""

    sqlstate = ""


class InvalidQuantity(Refused):
    sqlstate = "22023"


class UnknownAddOn(Refused):
    sqlstate = "P0002"


class WithdrawnAddOn(Refused):
    sqlstate = "55000"


class NotChargeable(Refused):
    sqlstate = "55000"


# The rows of the database


@dataclass(frozen=True)
class AddOn:
    id: str
    name: str
    base_price: int
    billing_type: str
    is_active: bool


@dataclass(frozen=True)
class PricingRule:
    id: str
    add_on_id: str
    tier_code: str | None
    discount_percent: int
    discount_amount: int
    conditions: dict
    priority: int
    is_active: bool
    valid_from: datetime | None
    valid_until: datetime | None


@dataclass(frozen=True)
class Bundle:
    id: str
    name: str
    add_on_ids: tuple[str, ...]
    discount_percent: int
    discount_amount: int
    is_active: bool
    valid_from: datetime | None
    valid_until: datetime | None
    max_uses: int | None
    current_uses: int


@dataclass(frozen=True)
class PromotionalCode:
    code: str
    discount_type: str
    discount_value: int
    max_uses: int | None
    current_uses: int
    applicable_to: tuple[str, ...] | None
    min_purchase_amount: int
    user_restrictions: dict
    expires_at: datetime | None
    is_active: bool


@dataclass(frozen=True)
class Ownership:
    user_id: str
    add_on_id: str
    status: str
    purchased_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True)
class Purchase:
    id: str
    user_id: str
    add_on_id: str
    checkout_id: str | None
    promo_code: str | None
    status: str
    purchased_at: datetime  # nothing depends on it: a purchase is an earlier one by its status alone


@dataclass(frozen=True)
class CartItem:
    user_id: str
    add_on_id: str
    quantity: int
    billing_type: str | None
    added_at: datetime


@dataclass(frozen=True)
class Marketplace:
    """The contents of all tables."""

    add_ons: dict[str, AddOn]
    rules: list[PricingRule] = field(default_factory=list)
    bundles: list[Bundle] = field(default_factory=list)
    codes: list[PromotionalCode] = field(default_factory=list)
    ownerships: list[Ownership] = field(default_factory=list)
    purchases: list[Purchase] = field(default_factory=list)
    cart_items: list[CartItem] = field(default_factory=list)
    currency: str = "USD"

    @property
    def unit(self):
        """The cents of the smallest amount that can be charged."""
        return 100 if self.currency in WHOLE_CURRENCIES else 1


# Amounts, section 1 and section 3


def money(cents):
    """An amount as it is written: exact, with two decimals."""
    return Decimal(cents).scaleb(-2)


def rounded(numerator, denominator, unit):
    """A quotient of cents that is not negative, rounded half away from zero to a multiple of the unit."""
    return (2 * numerator + denominator * unit) // (2 * denominator * unit) * unit


def percentage(cents, percent, unit):
    """So many hundredths of a percent of an amount, rounded."""
    return rounded(cents * percent, 100 * 100, unit)


def amounts_off(amount, count, unit):
    """A fixed amount so many times, rounded once."""
    return rounded(amount * count, 1, unit)


def in_window(start, end, at):
    """Windows are half open; NULL is unbounded."""
    return (start is None or start <= at) and (end is None or at < end)


def split(discount, weights, unit):
    """Section 3: the parts of a discount by the capped largest remainder, for weights by add-on id, all in whole units.

    The discount is at most the sum of the weights, so a part only reaches its cap, the weight, when it has no remainder
    or when one unit is missing: giving one unit to a largest remainder never exceeds it.
    """
    if unit > 1:
        parts = split(discount // unit, {add_on_id: weight // unit for add_on_id, weight in weights.items()}, 1)
        return {add_on_id: part * unit for add_on_id, part in parts.items()}
    whole = sum(weights.values())
    if whole == 0:
        return dict.fromkeys(weights, 0)
    parts = {add_on_id: discount * weight // whole for add_on_id, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda add_on_id: (-(discount * weights[add_on_id] % whole), add_on_id))
    for add_on_id in by_remainder[: discount - sum(parts.values())]:
        parts[add_on_id] += 1
    return parts


# What is known about a user, sections 4 and 5


def owned_add_ons(market, user_id, at):
    """Without a user nobody owns anything."""
    return {
        row.add_on_id
        for row in market.ownerships
        if row.user_id == user_id and row.status == "active" and in_window(row.purchased_at, row.expires_at, at)
    }


def is_first_purchase(market, user_id):
    """Whether the user is known and has no earlier purchase."""
    return user_id is not None and not any(
        row.user_id == user_id and row.status in ("pending", "completed", "disputed", "refunded") for row in market.purchases
    )


def live_redemptions(market, user_id, code):
    """The user's checkouts that carry the code and live; a purchase without checkout_id is one of its own."""
    return len(
        {
            row.checkout_id or row.id
            for row in market.purchases
            if row.user_id == user_id
            and row.promo_code == code
            and row.status in ("pending", "completed", "disputed")
        }
    )


# Step 1: lines


@dataclass
class Line:
    add_on: AddOn
    quantity: int
    billing_type: str
    rules: list[str] = field(default_factory=list)
    rule_discount: int = 0
    bundles: list[str] = field(default_factory=list)
    bundle_discount: int = 0
    promo_discount: int = 0

    @property
    def list_amount(self):
        return self.add_on.base_price * self.quantity

    @property
    def total(self):
        return self.list_amount - self.rule_discount - self.bundle_discount - self.promo_discount


def lines_of_items(market, items):
    """Lines of (add-on id, quantity) pairs, in add-on id order."""
    quantities = Counter()
    for add_on_id, quantity in items:
        if quantity < 1:
            raise InvalidQuantity(add_on_id)
        if add_on_id not in market.add_ons:
            raise UnknownAddOn(add_on_id)
        if not market.add_ons[add_on_id].is_active:
            raise WithdrawnAddOn(add_on_id)
        if market.add_ons[add_on_id].base_price % market.unit:
            raise NotChargeable(add_on_id)
        quantities[add_on_id] += quantity
    add_ons = [market.add_ons[add_on_id] for add_on_id in sorted(quantities)]
    return [Line(add_on, quantities[add_on.id], add_on.billing_type) for add_on in add_ons]


def lines_of_cart(market, user_id):
    """Lines of the stored cart in the order they were added, and the ids of its withdrawn add-ons."""
    items = sorted(
        (item for item in market.cart_items if item.user_id == user_id), key=attrgetter("added_at", "add_on_id")
    )
    lines, withdrawn = [], []
    for item in items:
        add_on = market.add_ons[item.add_on_id]
        if add_on.is_active:
            if add_on.base_price % market.unit:
                raise NotChargeable(add_on.id)
            lines.append(Line(add_on, item.quantity, item.billing_type or add_on.billing_type))
        else:
            withdrawn.append(add_on.id)
    return lines, withdrawn


# Step 2: pricing rules


@dataclass(frozen=True)
class ListCart:
    """All that conditions look at, besides the line: never another rule's result."""

    subtotal: int
    present: set[str]  # in the cart or owned
    first_purchase: bool


def as_list(value):
    """Conditions take one or several values."""
    return [value] if isinstance(value, str) else value


def named_add_ons(ids):
    """Ids as rows write them: a JSON string may spell a UUID in several ways."""
    return {str(UUID(text)) for text in ids}


def is_count(value):
    """An integer from 1; a boolean is none."""
    return type(value) is int and value >= 1


def is_amount(value):
    """A number from 0."""
    return type(value) in (int, Decimal) and value >= 0


def is_array(value):
    """An array of strings."""
    return isinstance(value, list) and all(isinstance(element, str) for element in value)


def is_string_or_array(value):
    """One string or several."""
    return isinstance(value, str) or is_array(value)


def is_flag(value):
    """A boolean."""
    return isinstance(value, bool)


CONDITION_TYPES = {
    "min_quantity": is_count,
    "max_quantity": is_count,
    "min_subtotal": is_amount,
    "requires_addon": is_array,
    "excludes_addon": is_array,
    "billing_type": is_string_or_array,
    "first_purchase_only": is_flag,
    "stackable": is_flag,
}


def are_well_formed(conditions):
    """A rule in which an unknown key or a wrong type is found, although none can be written, does not apply."""
    return all(key in CONDITION_TYPES and CONDITION_TYPES[key](value) for key, value in conditions.items())


def conditions_hold(conditions, line, cart):
    """All given keys must hold; `stackable` is no condition."""
    return are_well_formed(conditions) and all(
        (
            conditions.get("min_quantity", 1) <= line.quantity,
            conditions.get("max_quantity", line.quantity) >= line.quantity,
            conditions.get("min_subtotal", 0) <= money(cart.subtotal),
            named_add_ons(conditions.get("requires_addon", [])) <= cart.present,
            not named_add_ons(conditions.get("excludes_addon", [])) & cart.present,
            line.billing_type in as_list(conditions.get("billing_type", line.billing_type)),
            cart.first_purchase or not conditions.get("first_purchase_only", False),
        )
    )


def is_candidate(rule, line, cart, tier_code, at):
    """Whether a rule may apply to a line."""
    return (
        rule.add_on_id == line.add_on.id
        and rule.is_active
        and in_window(rule.valid_from, rule.valid_until, at)
        and rule.tier_code in (None, tier_code)
        and conditions_hold(rule.conditions, line, cart)
    )


def rule_discount(rule, remaining, quantity, unit):
    """What a rule takes off; its discount_amount is for each of the quantity."""
    off = percentage(remaining, rule.discount_percent, unit) + amounts_off(rule.discount_amount, quantity, unit)
    return min(off, remaining)


def apply_rules(market, lines, user_id, tier_code, at):
    """The winner of each line, and the stackable candidates after a stackable winner."""
    in_cart = {line.add_on.id for line in lines}
    cart = ListCart(
        subtotal=sum(line.list_amount for line in lines),
        present=in_cart | owned_add_ons(market, user_id, at),
        first_purchase=is_first_purchase(market, user_id),
    )
    for line in lines:
        candidates = [rule for rule in market.rules if is_candidate(rule, line, cart, tier_code, at)]
        on_list = {rule.id: rule_discount(rule, line.list_amount, line.quantity, market.unit) for rule in candidates}
        candidates.sort(key=lambda rule: (-rule.priority, -on_list[rule.id], rule.id))
        winners = candidates[:1]
        if winners and winners[0].conditions.get("stackable", False):
            winners = [rule for rule in candidates if rule.conditions.get("stackable", False)]
        for rule in winners:
            discount = rule_discount(rule, line.total, line.quantity, market.unit)
            if discount > 0:
                line.rule_discount += discount
                line.rules.append(rule.id)


# Step 3: bundles


@dataclass(frozen=True)
class Candidate:
    """A bundle that could apply, the positions of its lines, and the most instances that uses and cart allow."""

    bundle: Bundle
    positions: tuple[int, ...]
    most: int


def bundle_candidates(market, lines, at):
    """Candidates in the order of their ids."""
    position = {line.add_on.id: index for index, line in enumerate(lines)}
    candidates = []
    for bundle in sorted(market.bundles, key=attrgetter("id")):
        if not (bundle.is_active and in_window(bundle.valid_from, bundle.valid_until, at)):
            continue
        if not all(add_on_id in position for add_on_id in bundle.add_on_ids):
            continue
        positions = tuple(position[add_on_id] for add_on_id in bundle.add_on_ids)
        most = min(lines[index].quantity for index in positions)
        if bundle.max_uses is not None:
            most = min(most, bundle.max_uses - bundle.current_uses)
        if most >= 1:
            candidates.append(Candidate(bundle, positions, most))
    return candidates


def selections(candidates):
    """How many selections an exact search would have to look at."""
    return prod(candidate.most + 1 for candidate in candidates)


def consumed(line, taken, instances, unit):
    """What instances take of a line of which bundles of smaller ids have taken units."""
    remaining = line.list_amount - line.rule_discount
    through = rounded(remaining * (taken + instances), line.quantity, unit)
    return through - rounded(remaining * taken, line.quantity, unit)


def bundle_discount(bundle, base, instances, unit):
    """What a bundle saves on what its instances consume; its discount_amount is per instance."""
    off = percentage(base, bundle.discount_percent, unit) + amounts_off(bundle.discount_amount, instances, unit)
    return min(off, base)


def exact_selection(candidates, lines, smallest):
    """The instances of each candidate that save most.

    What a candidate saves depends on the selection only through the units that smaller ids took of its lines. So the
    best of the candidates from one on is found once for each number of units taken of the lines that these still need.
    A selection in which a bundle saves nothing is none, even if holding units raised what another bundle saves.

    Among equal savings the fewest instances win, and then the smallest list of ids: of two lists of one length that is
    the one with more instances of the smallest id in which they differ.
    """
    still_needed = [
        {position for candidate in candidates[index:] for position in candidate.positions}
        for index in range(len(candidates) + 1)
    ]

    @cache
    def best(index, taken):
        """(saving, minus the instances, the instances of each) of the best selection from candidate `index` on."""
        if index == len(candidates):
            return 0, 0, ()
        candidate, used = candidates[index], [lines[position] for position in candidates[index].positions]
        units = [taken[position] for position in candidate.positions]
        most = min(candidate.most, *(line.quantity - unit for line, unit in zip(used, units)))
        found = []
        for instances in range(most + 1):
            base = sum(consumed(line, unit, instances, smallest) for line, unit in zip(used, units))
            discount = bundle_discount(candidate.bundle, base, instances, smallest)
            if instances == 0 or discount > 0:
                left = tuple(
                    count + instances * (position in candidate.positions) if position in still_needed[index + 1] else 0
                    for position, count in enumerate(taken)
                )
                saving, fewest, others = best(index + 1, left)
                found.append((discount + saving, fewest - instances, (instances, *others)))
        return max(found)

    return best(0, (0,) * len(lines))[2]


def consumption(candidates, lines, selection, unit):
    """What the chosen instances of each candidate take of its lines, by the line's position; smaller ids take first."""
    taken = [0] * len(lines)
    result = []
    for candidate, instances in zip(candidates, selection):
        positions = candidate.positions
        result.append({position: consumed(lines[position], taken[position], instances, unit) for position in positions})
        for position in positions:
            taken[position] += instances
    return result


def discounts(candidates, lines, selection, unit):
    """What each candidate saves in a selection; without instances it consumes nothing and saves nothing."""
    amounts = consumption(candidates, lines, selection, unit)
    return [
        bundle_discount(candidate.bundle, sum(cents.values()), instances, unit)
        for candidate, instances, cents in zip(candidates, selection, amounts)
    ]


def greedy_selection(candidates, lines, unit):
    """One instance at a time: the one that raises the total saving most, ties to the smaller id.

    As in the exact search, a selection in which a chosen bundle saves nothing is none. That bundle may be another than
    the one that gets an instance: one whose units this instance shifts.
    """
    selection = [0] * len(candidates)
    free = [line.quantity for line in lines]
    saving = 0
    while True:
        best = None
        for index, candidate in enumerate(candidates):
            if selection[index] == candidate.most or any(free[position] == 0 for position in candidate.positions):
                continue
            larger = [*selection[:index], selection[index] + 1, *selection[index + 1 :]]
            savings = discounts(candidates, lines, larger, unit)
            all_save = all(discount > 0 for discount, instances in zip(savings, larger) if instances > 0)
            if all_save and sum(savings) > saving:
                best, best_selection, saving = candidate, larger, sum(savings)
        if best is None:
            return selection
        selection = best_selection
        for position in best.positions:
            free[position] -= 1


def apply_bundles(market, lines, at):
    """Chooses bundles and splits what they save; returns their part of the quote and the way of searching."""
    candidates = bundle_candidates(market, lines, at)
    exact = selections(candidates) <= EXACT_SEARCH_LIMIT
    selection = (exact_selection if exact else greedy_selection)(candidates, lines, market.unit)
    amounts = consumption(candidates, lines, selection, market.unit)
    applied = [
        apply_bundle(
            candidate.bundle, instances, [(lines[position], cents) for position, cents in taken.items()], market.unit
        )
        for candidate, instances, taken in zip(candidates, selection, amounts)
        if instances > 0
    ]
    return applied, "exact" if exact else "greedy"


def apply_bundle(bundle, instances, amounts, unit):
    """Splits the discount of a chosen bundle over (line, what it consumes of the line)."""
    base = sum(cents for line, cents in amounts)
    discount = bundle_discount(bundle, base, instances, unit)
    parts = split(discount, {line.add_on.id: cents for line, cents in amounts}, unit)
    for line, _ in amounts:
        line.bundle_discount += parts[line.add_on.id]
        line.bundles.append(bundle.id)
    return {
        "bundle_id": bundle.id,
        "name": bundle.name,
        "instances": instances,
        "base": money(base),
        "discount": money(discount),
    }


# Step 4: promotional codes


def canonical(code):
    """In capitals and composed, without the blanks, control and invisible characters around it."""
    around = "".join(char for char in set(code) if char.isspace() or unicodedata.category(char) == "Cc" or char in INVISIBLE)
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", code.strip(around) if around else code).upper())


def find_code(market, code):
    """The code's row, or None."""
    return next((row for row in market.codes if row.code == canonical(code)), None)


def eligible_lines(row, lines):
    """The lines that a code is good for."""
    return [line for line in lines if row.applicable_to is None or line.add_on.id in row.applicable_to]


def state_reasons(row, at):
    """Why a code is refused to everybody."""
    failed = {
        "inactive": not row.is_active,
        "expired": not in_window(None, row.expires_at, at),
        "exhausted": row.max_uses is not None and row.current_uses >= row.max_uses,
    }
    return [reason for reason, refused in failed.items() if refused]


def cart_reasons(row, lines):
    """Why a code is refused for a cart that is not empty."""
    failed = {
        "below_minimum": sum(line.total for line in lines) < row.min_purchase_amount,
        "not_applicable": not eligible_lines(row, lines),
    }
    return [reason for reason, refused in failed.items() if refused]


def restriction_reasons(market, row, user_id, tier_code):
    """Why a code is refused to this user; without a user or a tier what needs one refuses."""
    restrictions = row.user_restrictions
    known = user_id is not None
    failed = {
        "tier_not_allowed": "tier" in restrictions and tier_code not in as_list(restrictions["tier"]),
        "not_first_purchase": restrictions.get("first_purchase_only", False) and not is_first_purchase(market, user_id),
        "user_not_allowed": "user_ids" in restrictions and user_id not in restrictions["user_ids"],
        "user_limit_reached": "max_uses_per_user" in restrictions
        and not (known and live_redemptions(market, user_id, row.code) < restrictions["max_uses_per_user"]),
    }
    return [reason for reason, refused in failed.items() if refused]


def refusals(market, row, lines, user_id, tier_code, at):
    """Every reason why a code is refused, in the order of the specification; `lines` is None to leave the cart out."""
    cart_is_empty = lines is not None and not lines
    if row is None:
        reasons = ["unknown"]
    else:
        reasons = state_reasons(row, at)
        reasons += cart_reasons(row, lines) if lines else []
        reasons += restriction_reasons(market, row, user_id, tier_code)
    return reasons + ["empty_cart"] * cart_is_empty


def promo_discount(row, eligible, unit):
    """What a code takes off the sum of its eligible lines."""
    if row.discount_type == "percentage":
        return percentage(eligible, row.discount_value, unit)
    return min(amounts_off(row.discount_value, 1, unit), eligible)


def apply_promo(market, lines, user_id, tier_code, promo_code, at):
    """Tests the code on the amounts after rules and bundles, splits what it takes off, and says what happened."""
    if promo_code is None:
        return None
    row = find_code(market, promo_code)
    reasons = refusals(market, row, lines, user_id, tier_code, at)
    weights = {line.add_on.id: line.total for line in eligible_lines(row, lines)} if row else {}
    eligible = sum(weights.values())
    discount = 0 if reasons else promo_discount(row, eligible, market.unit)
    parts = split(discount, weights, market.unit)
    for line in lines:
        line.promo_discount = parts.get(line.add_on.id, 0)
    return {
        "code": canonical(promo_code),
        "valid": not reasons,
        "reasons": reasons,
        "discount_type": row and row.discount_type,
        "discount_value": row and money(row.discount_value),
        "eligible_amount": money(eligible),
        "discount": money(discount),
    }


# Step 5: the document, and the functions as SQL has them


def line_document(line):
    """A line as the quote shows it."""
    return {
        "add_on_id": line.add_on.id,
        "name": line.add_on.name,
        "billing_type": line.billing_type,
        "quantity": line.quantity,
        "unit_list_price": money(line.add_on.base_price),
        "list_amount": money(line.list_amount),
        "rule_discount": money(line.rule_discount),
        "rules": line.rules,
        "bundle_discount": money(line.bundle_discount),
        "bundles": line.bundles,
        "promo_discount": money(line.promo_discount),
        "total": money(line.total),
    }


def price(market, lines, withdrawn, user_id, tier_code, promo_code, at):
    """All steps for lines in the order in which they are shown."""
    apply_rules(market, lines, user_id, tier_code, at)
    bundles, bundle_search = apply_bundles(market, lines, at)
    promo = apply_promo(market, lines, user_id, tier_code, promo_code, at)
    list_total = sum(line.list_amount for line in lines)
    total = sum(line.total for line in lines)
    return {
        "user_id": user_id,
        "tier_code": tier_code,
        "currency": market.currency,
        "priced_at": at,
        "lines": [line_document(line) for line in lines],
        "unavailable": [{"add_on_id": add_on_id, "reason": "withdrawn"} for add_on_id in withdrawn],
        "bundles": bundles,
        "bundle_search": bundle_search,
        "promo": promo,
        "list_total": money(list_total),
        "discount_total": money(list_total - total),
        "total": money(total),
        "line_count": len(lines),
        "item_count": sum(line.quantity for line in lines),
    }


def quote(market, items, user_id, tier_code, promo_code, at):
    """quote(): a document for (add-on id, quantity) pairs."""
    return price(market, lines_of_items(market, items), [], user_id, tier_code, promo_code, at)


def price_cart(market, user_id, tier_code, promo_code, at):
    """price_cart(): a document for the stored cart."""
    return price(market, *lines_of_cart(market, user_id), user_id, tier_code, promo_code, at)


def price_carts(market, tier_code, promo_code, at):
    """price_carts(): a row for every user with a cart, in the order of the users."""
    rows = []
    for user_id in sorted({item.user_id for item in market.cart_items}):
        document = price_cart(market, user_id, tier_code, promo_code, at)
        rows.append((user_id, *(document[name] for name in ("line_count", "list_total", "discount_total", "total"))))
    return rows


def price_add_on(market, add_on_id, quantity, tier_code, at):
    """price_add_on(): what a line costs on its own, after steps 1 and 2, without a user."""
    lines = lines_of_items(market, [(add_on_id, quantity)])
    apply_rules(market, lines, None, tier_code, at)
    return money(lines[0].total)


def validate_promo_code(market, code, user_id, tier_code, at):
    """validate_promo_code(): its columns in their order; without a user there is no cart to test."""
    if user_id is not None:
        document = price_cart(market, user_id, tier_code, code, at)
        promo, total = document["promo"], document["total"]
        amounts = (promo["eligible_amount"], promo["discount"], total + promo["discount"], total)
        return promo["valid"], promo["reasons"], promo["discount_type"], promo["discount_value"], *amounts
    row = find_code(market, code)
    reasons = refusals(market, row, None, None, tier_code, at)
    nothing = (None,) * 4
    return not reasons, reasons, row and row.discount_type, row and money(row.discount_value), *nothing
