"""Random marketplaces, and calls to compare on them: everything follows from a seed.

Values are drawn to collide: few add-ons, cents that do not divide, equal priorities and discounts, windows that begin
or end exactly at the instants asked about, and ids whose order says nothing about who came first.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from random import Random
from uuid import UUID

import model

BILLING_TYPES = ("one_time", "monthly", "annual", "usage_based")
PURCHASE_STATUSES = ("pending", "completed", "failed", "refunded", "disputed")
TIERS = ("free", "pro", "Pro", "vip_founder", "")
USERS = (
    "user-1",
    "User-1",
    "o'brien",
    'say "hi" \\',
    "\U0001f984 unicorn",
    "日本語",
    " blank ",
    "",
    "%s {} $1",
    "a\tb\nc",
)
CODES = ("SAVE10", "LAUNCH 2026", "O'BRIEN", "50%\\OFF", "\U0001f984", "日本", "X", "FIRST-BUY")
CURRENCIES = ("USD", "EUR", "HUF", "JPY", "ISK", "XOF")
TIME_ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns", "Europe/Lisbon")

# Documents that the table's constraint refuses, and that must keep a rule from applying.
MALFORMED_CONDITIONS = (
    {"coupon": "SAVE10"},
    {"min_quantity": "1"},
    {"max_quantity": 0},
    {"min_subtotal": None},
    {"requires_addon": {}},
    {"excludes_addon": [1]},
    {"billing_type": True},
    {"first_purchase_only": 0},
    {"stackable": "true"},
)

# A world's kind follows from its seed, so that any run of consecutive seeds covers all kinds.
KINDS = ("ordinary",) * 8 + ("crowded",) * 4 + ("border", "ordinary", "ordinary", "huge", *("ordinary",) * 4)

# Numbers of selections for an exact search, as products: in turn below, at and above the limit. Those with many
# instances of few bundles are slow to search and come up less often.
QUICK_BORDERS = (
    ((3, 5, 17, 257), (15, 17, 257), (4, 4, 5, 7, 9, 13)),
    ((4,) * 8, (16,) * 4, (8, 8, 8, 8, 16), (2, 4, 8, 16, 64)),
    ((2, 3, 5, 5, 19, 23), (4, 5, 29, 113), (6, 19, 23, 25)),
)
SLOW_BORDERS = (((255, 257), (65_535,)), ((256, 256), (65_536,)), ((65_537,), (2, 3, 10_923), (2, 32_769)))


# Calls, with the arguments of the SQL functions in their order


@dataclass(frozen=True)
class QuoteCall:
    items: tuple[tuple[str, int], ...]
    user_id: str | None
    tier_code: str | None
    promo_code: str | None
    at: datetime


@dataclass(frozen=True)
class CartCall:
    user_id: str
    tier_code: str | None
    promo_code: str | None
    at: datetime


@dataclass(frozen=True)
class PromoCall:
    promo_code: str
    user_id: str | None
    tier_code: str | None
    at: datetime


@dataclass(frozen=True)
class AddOnCall:
    add_on_id: str
    quantity: int
    tier_code: str | None
    at: datetime


@dataclass(frozen=True)
class CartsCall:
    tier_code: str | None
    promo_code: str | None
    at: datetime


@dataclass
class World:
    seed: int
    kind: str
    time_zone: str
    instants: list[datetime]
    users: list[str]
    market: model.Marketplace
    calls: list = field(default_factory=list)
    refused_calls: list = field(default_factory=list)


# Values


def new_id(rng):
    """A random UUID of the kind that gen_random_uuid() makes."""
    return str(UUID(int=rng.getrandbits(128), version=4))


def chance(rng, percent):
    """True so many times in a hundred."""
    return rng.randrange(100) < percent


def some(rng, values, most):
    """A few different values, in random order."""
    return rng.sample(list(values), min(len(values), rng.randint(0, most)))


def random_price(rng, dearest):
    """Cents: often so few that rounding decides."""
    if dearest < 10:
        return rng.randint(0, dearest)
    kind = rng.randrange(10)
    if kind == 0:
        return 0
    if kind <= 3:
        return rng.randint(1, 9)
    if kind == 4:
        return rng.randint(1, 99) * 100
    if kind == 5:
        return rng.randint(1, 99) * 100 + 99
    return rng.randint(1, 99 if kind == 6 else dearest)


def random_discount(rng):
    """(percent, amount) in hundredths and cents: either, both or, rarely, nothing."""
    percent = rng.choice((0, 1, 333, 1250, 3333, 5000, 9999, 10000, rng.randint(1, 10000), rng.randint(1, 3000)))
    amount = rng.choice((0, 1, 2, 50, rng.randint(1, 20), rng.randint(1, 500), rng.randint(1, 5000)))
    return rng.choice(((percent, 0), (percent, 0), (0, amount), (0, amount), (percent, amount), (0, 0)))


def random_window(rng, instants, wide=50):
    """(start, end), often open, else with ends at, beside or far from the instants that are asked about."""

    def end(days):
        moment = rng.choice(instants)
        return moment + rng.choice((timedelta(0), timedelta(microseconds=rng.choice((-1, 1))), timedelta(days=days)))

    start = None if chance(rng, wide) else end(-40)
    until = None if chance(rng, wide) else end(40)
    if start is not None and until is not None and start >= until:
        return until - timedelta(microseconds=1), start
    return start, until


def random_quantity(rng, kind):
    """Units: mostly few."""
    if kind == "crowded":
        return rng.choice((2, 3, 3, 3, 4, 4, 5))
    if kind == "huge" and chance(rng, 40):
        return rng.randint(30_000, 36_000)
    return rng.choice((1, 1, 2, 2, 3, 4, 5, 5, rng.randint(1, 5), rng.randint(1, 5), rng.randint(6, 20)) * 2 + (
        rng.randint(21, 100),
    ))


def spelled(rng, code):
    """A code as somebody types it; a tab is no blank and makes it another code."""
    if chance(rng, 40):
        code = rng.choice((code.lower(), code.title().swapcase()))
    blanks = rng.choice((" ", "   ", " ", "   ", " \t")) if chance(rng, 40) else ""
    return rng.choice((blanks + code, code + blanks, blanks + code + blanks))


# Tables


def random_add_ons(rng, kind, count, unit):
    """The catalog, some of it withdrawn; where all is cheap, many ways to save are equal."""
    dearest = 9 if chance(rng, 30) else 99_999 if kind in ("ordinary", "crowded") else 9_999
    add_ons = {}
    for number in range(count):
        add_on = model.AddOn(
            id=new_id(rng),
            name=f"Add-on {number} \"é'\\ \U0001f4e6",
            base_price=random_price(rng, dearest) * unit,
            billing_type=rng.choice(BILLING_TYPES),
            is_active=kind != "ordinary" or number == 0 or not chance(rng, 15),
        )
        add_ons[add_on.id] = add_on
    return add_ons


def spelled_ids(rng, ids):
    """Ids in a JSON document, some in upper case."""
    return [add_on_id.upper() if chance(rng, 10) else add_on_id for add_on_id in ids]


def random_subtotal(rng, add_ons):
    """A limit for list subtotals: often exactly what a few units of an add-on cost."""
    if chance(rng, 50):
        return model.money(rng.choice(list(add_ons.values())).base_price * rng.randint(1, 5))
    return Decimal(rng.choice(("0", "1e1", "0.01", "10.005", "50", f"{rng.randint(0, 300)}.99")))


def random_conditions(rng, add_ons, ids, stackable):
    """The conditions of a rule: any of the known keys, those that look beyond the line more often."""
    makers = {
        "min_quantity": lambda: rng.choice((1, 2, 3, 5, 10)),
        "max_quantity": lambda: rng.choice((1, 2, 3, 5, 10, 100)),
        "min_subtotal": lambda: random_subtotal(rng, add_ons),
        "requires_addon": lambda: spelled_ids(rng, some(rng, ids, 2)),
        "excludes_addon": lambda: spelled_ids(rng, some(rng, ids, 2)),
        "billing_type": lambda: rng.choice((rng.choice(BILLING_TYPES), some(rng, BILLING_TYPES, 3))),
        "first_purchase_only": lambda: chance(rng, 70),
    }
    keys = some(rng, [*makers, "min_subtotal", "requires_addon", "excludes_addon"], 3) if chance(rng, 60) else []
    conditions = {key: makers[key]() for key in keys}
    if chance(rng, stackable):
        conditions["stackable"] = chance(rng, 90)
    if chance(rng, 3):
        conditions |= rng.choice(MALFORMED_CONDITIONS)
    return conditions


def random_rules(rng, instants, add_ons):
    """Pricing rules that crowd on few add-ons, some of them copies of another but for the id."""
    contested = rng.sample(list(add_ons), rng.randint(1, min(3, len(add_ons))))
    mentioned = [*add_ons, new_id(rng)]
    stackable = rng.choice((30, 60, 95))
    rules = []
    for _ in range(rng.randint(0, 14)):
        percent, amount = random_discount(rng)
        start, end = random_window(rng, instants, wide=70)
        rule = model.PricingRule(
            id=new_id(rng),
            add_on_id=rng.choice(contested if chance(rng, 80) else list(add_ons)),
            tier_code=rng.choice(TIERS) if chance(rng, 35) else None,
            discount_percent=percent,
            discount_amount=amount,
            conditions=random_conditions(rng, add_ons, mentioned, stackable),
            priority=rng.choice((0, 0, 0, 0, 1, 1, 5, -1, 2**31 - 1, -(2**31))),
            is_active=chance(rng, 90),
            valid_from=start,
            valid_until=end,
        )
        if rules and chance(rng, 15):
            rule = replace(rng.choice(rules), id=rule.id)
        rules.append(rule)
    return rules


def random_uses(rng):
    """(max_uses, current_uses): unlimited, a few left, or none."""
    if chance(rng, 50):
        return None, rng.randint(0, 5)
    most = rng.randint(1, 9)
    return most, most if chance(rng, 25) else rng.randint(0, most)


def random_bundles(rng, kind, instants, add_ons):
    """Overlapping bundles; some name unknown or withdrawn add-ons, some differ from another by their id only."""
    sold = [add_on_id for add_on_id in add_ons if kind != "crowded" or add_ons[add_on_id].is_active]
    bundles = []
    for number in range(rng.randint(*{"ordinary": (0, 8), "crowded": (6, 10), "huge": (0, 2)}[kind])):
        percent, amount = random_discount(rng)
        if kind == "crowded" and chance(rng, 40):
            # One that takes everything, and one whose only use is to shift the rounding of the others.
            percent, amount = rng.choice(((10000, 0), (10000, 0), (0, 0)))
        members = rng.sample(sold, min(len(sold), rng.choice((2, 2, 2, 3, 4))))
        if len(members) < 2 or (kind == "ordinary" and chance(rng, 6)):
            members += [new_id(rng), new_id(rng)]
        start, end = random_window(rng, instants, wide=70 if kind == "ordinary" else 100)
        most, used = random_uses(rng) if kind == "ordinary" or chance(rng, 20) else (None, 0)
        bundle = model.Bundle(
            id=new_id(rng),
            name=f"Bundle {number} \U0001f381",
            add_on_ids=tuple(members),
            discount_percent=percent,
            discount_amount=amount,
            is_active=kind != "ordinary" or chance(rng, 92),
            valid_from=start,
            valid_until=end,
            max_uses=most,
            current_uses=used,
        )
        if bundles and chance(rng, 20):
            bundle = replace(rng.choice(bundles), id=bundle.id, name=bundle.name)
        bundles.append(bundle)
    return bundles


def border_bundles(rng, add_ons, factors):
    """Bundles that together allow exactly a product of selections, in carts with enough of every add-on."""
    bundles = []
    for number, factor in enumerate(rng.sample(factors, len(factors))):
        percent, amount = random_discount(rng)
        used = rng.randint(0, 3)
        bundles.append(
            model.Bundle(
                id=new_id(rng),
                name=f"Bundle {number}",
                add_on_ids=tuple(rng.sample(list(add_ons), rng.choice((2, 2, 3)))),
                discount_percent=percent,
                discount_amount=amount,
                is_active=True,
                valid_from=None,
                valid_until=None,
                max_uses=used + factor - 1,
                current_uses=used,
            )
        )
    return bundles


def random_restrictions(rng, users):
    """The restrictions of a code: any of the known keys."""
    makers = {
        "tier": lambda: rng.choice((rng.choice(TIERS), some(rng, TIERS, 3))),
        "first_purchase_only": lambda: chance(rng, 75),
        "user_ids": lambda: some(rng, [*users, "somebody else"], 3),
        "max_uses_per_user": lambda: rng.choice((1, 2, 2, 3, 4)),
    }
    keys = some(rng, [*makers, "first_purchase_only", "max_uses_per_user"], 2) if chance(rng, 65) else []
    return {key: makers[key]() for key in keys}


def random_codes(rng, instants, users, add_ons):
    """Promotional codes; the names are as they are stored."""
    codes = []
    for name in rng.sample(CODES, rng.choice((0, 1, 1, 2, 2, 3, 4))):
        kind = rng.choice(("percentage", "fixed_amount"))
        most, used = random_uses(rng) if chance(rng, 60) else (None, 0)
        codes.append(
            model.PromotionalCode(
                code=name,
                discount_type=kind,
                discount_value=rng.choice((1, 333, 1250, 5000, 10000, rng.randint(1, 10000), rng.randint(1, 500))),
                max_uses=most,
                current_uses=used,
                applicable_to=tuple(some(rng, [*add_ons, new_id(rng)], 4)) if chance(rng, 40) else None,
                min_purchase_amount=rng.choice((0, 0, 1, 999, rng.randint(0, 20_000))),
                user_restrictions=random_restrictions(rng, users),
                expires_at=random_window(rng, instants)[1],
                is_active=chance(rng, 88),
            )
        )
    return codes


def random_ownerships(rng, instants, users, add_ons):
    """Who owns what: now, in the past, in the future, or not any more."""
    rows = []
    for user_id in users:
        for add_on_id in some(rng, add_ons, 4):
            start, end = random_window(rng, instants, wide=20)
            status = "active" if chance(rng, 75) else rng.choice(("cancelled", "expired", "pending", "suspended"))
            rows.append(model.Ownership(user_id, add_on_id, status, start or instants[0] - timedelta(days=90), end))
    return rows


def random_purchases(rng, instants, users, add_ons, codes):
    """Checkouts in every state: some of several rows with different fates, some rows without checkout_id."""
    rows = []
    for user_id in users:
        statuses = PURCHASE_STATUSES if chance(rng, 60) else ("pending", "failed")
        for _ in range(rng.choice((0, 1, 2, 3, 4))):
            checkout_id = new_id(rng) if chance(rng, 70) else None
            code = rng.choice(codes).code if codes and chance(rng, 85) else None
            for add_on_id in rng.sample(list(add_ons), min(len(add_ons), rng.randint(1, 3))):
                status, moment = rng.choice(statuses), rng.choice(instants)
                rows.append(model.Purchase(new_id(rng), user_id, add_on_id, checkout_id, code, status, moment))
    return rows


def random_carts(rng, kind, instants, users, add_ons, quantity):
    """Stored carts, their rows in random order; several rows of one moment are common."""
    moments = [instants[0] - timedelta(minutes=minutes) for minutes in (0, 1, 2)]
    rows = []
    for user_id in users:
        count = len(add_ons) if kind in ("border", "crowded") else rng.randint(0, 6)
        for add_on_id in rng.sample(list(add_ons), min(len(add_ons), count)):
            billing_type = rng.choice(BILLING_TYPES) if chance(rng, 30) else None
            rows.append(model.CartItem(user_id, add_on_id, quantity(), billing_type, rng.choice(moments)))
    rng.shuffle(rows)
    return rows


# Calls


def random_items(rng, world, quantity):
    """Items for quote(): sold add-ons, some twice, in any order."""
    sold = [add_on.id for add_on in world.market.add_ons.values() if add_on.is_active]
    full = world.kind in ("border", "crowded") and chance(rng, 90)
    ids = rng.sample(sold, len(sold)) if full else some(rng, sold, 6)
    if ids and chance(rng, 20):
        ids += rng.choices(ids, k=rng.randint(1, 2))
    rng.shuffle(ids)
    return tuple((add_on_id, quantity()) for add_on_id in spelled_ids(rng, ids))


def random_promo_code(rng, market):
    """A code somebody types: mostly one that exists."""
    if market.codes and chance(rng, 92):
        return spelled(rng, rng.choice(market.codes).code)
    return rng.choice(("", "   ", "NO SUCH CODE", "save10", "longer than the column " * 9))


def random_calls(rng, world, quantity):
    """Calls of every function, in random order; fewer of them where a search takes long."""
    market, slow = world.market, world.kind in ("border", "huge")

    def where():
        return rng.choice(TIERS) if chance(rng, 60) else None, rng.choice(world.instants)

    def somebody():
        return rng.choice([*world.users, "stranger"])

    calls = []
    for _ in range(2 if slow else 24):
        (tier, at), user_id = where(), None if chance(rng, 25) else somebody()
        code = random_promo_code(rng, market) if chance(rng, 65) else None
        calls.append(QuoteCall(random_items(rng, world, quantity), user_id, tier, code, at))
    for _ in range(1 if slow else 14):
        (tier, at), code = where(), random_promo_code(rng, market) if chance(rng, 65) else None
        calls.append(CartCall(somebody(), tier, code, at))
    for _ in range(1 if slow else 8):
        (tier, at), user_id = where(), None if chance(rng, 25) else somebody()
        calls.append(PromoCall(random_promo_code(rng, market), user_id, tier, at))
    sold = [add_on.id for add_on in market.add_ons.values() if add_on.is_active]
    calls += [AddOnCall(rng.choice(sold), quantity(), *where()) for _ in range(10)]
    if not slow or chance(rng, 30):
        (tier, at), code = where(), random_promo_code(rng, market) if chance(rng, 65) else None
        calls.append(CartsCall(tier, code, at))
    rng.shuffle(calls)
    return calls


def refused_calls(rng, world):
    """Calls that must fail: an unknown add-on, a withdrawn one, no units."""
    add_ons, at = world.market.add_ons.values(), world.instants[0]
    sold = next(add_on.id for add_on in add_ons if add_on.is_active)
    wrong = [(new_id(rng), 1), (sold, 0), *((add_on.id, 1) for add_on in add_ons if not add_on.is_active)]
    calls = [AddOnCall(*item, None, at) for item in wrong[:3]]
    for item in wrong[:3]:
        items = [item, (sold, 1)]
        rng.shuffle(items)
        calls.append(QuoteCall(tuple(items), None, None, None, at))
    return rng.sample(calls, 2)


# Worlds


def border_factors(rng, seed):
    """The instances of each bundle, plus one, for a search below, at or above the limit."""
    borders = SLOW_BORDERS if chance(rng, 12) else QUICK_BORDERS
    return rng.choice(borders[seed // len(KINDS) % len(borders)])


def border_quantity(rng, factors):
    """Units that do not limit any of the bundles."""
    return max(factors) - 1 + rng.choice((0, 0, 1, 5))


def random_world(seed):
    """The world of a seed."""
    rng = Random(seed)
    kind = KINDS[seed % len(KINDS)]
    first = datetime(2026, 3, 29, 0, 30, tzinfo=UTC) + timedelta(microseconds=rng.randrange(10**6))
    instants = [first, first + timedelta(microseconds=1), first + timedelta(hours=1), first + timedelta(days=30)]
    users = rng.sample(USERS, 3)
    # Discounts are in cents whatever the currency. So many units as on a border would cost more than a yen price allows.
    market = model.Marketplace({}, currency=rng.choice(CURRENCIES) if kind in ("ordinary", "crowded") else "USD")
    count = rng.randint(1, 8) if kind in ("ordinary", "huge") else rng.randint(3, 5)
    add_ons = random_add_ons(rng, kind, count, market.unit)
    if kind == "border":
        factors = border_factors(rng, seed)
        bundles = border_bundles(rng, add_ons, factors)
        quantity = partial(border_quantity, rng, factors)
    else:
        bundles = random_bundles(rng, kind, instants, add_ons)
        quantity = partial(random_quantity, rng, kind)
    codes = random_codes(rng, instants, users, add_ons)
    market = replace(
        market,
        add_ons=add_ons,
        rules=random_rules(rng, instants, add_ons),
        bundles=bundles,
        codes=codes,
        ownerships=random_ownerships(rng, instants, users, add_ons),
        purchases=random_purchases(rng, instants, users, add_ons, codes),
        cart_items=random_carts(rng, kind, instants, users, add_ons, quantity),
    )
    world = World(seed, kind, rng.choice(TIME_ZONES), instants, users, market)
    world.calls = random_calls(rng, world, quantity)
    world.refused_calls = refused_calls(rng, world)
    return world
