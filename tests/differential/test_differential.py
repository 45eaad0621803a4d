"""Compares the extension with the model on random marketplaces: every digit of every answer.

The libpq environment variables say where; PGDATABASE has the extension. Every world is made and rolled back in a
transaction of its own. DIFFERENTIAL_QUOTES is how many priced calls to compare at least, DIFFERENTIAL_SEED the seed of
the first world; the next world's is one more.
"""

import json
import os
import random
from collections import Counter
from dataclasses import astuple
from difflib import unified_diff
from time import monotonic

import extension
import model
import psycopg
import pytest
from worlds import AddOnCall, CartCall, CartsCall, PromoCall, QuoteCall, random_world

QUOTES = int(os.environ.get("DIFFERENTIAL_QUOTES", 2000))
SEED = int(os.environ.get("DIFFERENTIAL_SEED", random.randrange(2**31)))
ENOUGH_TO_REACH_EVERYTHING = 2000


# The model's answers


def quoted(market, call):
    """The document of quote(); ids are compared as UUIDs, however they are spelled."""
    items = [(add_on_id.lower(), quantity) for add_on_id, quantity in call.items]
    return model.quote(market, items, call.user_id, call.tier_code, call.promo_code, call.at)


def expected_rows(market, call):
    """The rows that a call must return."""
    match call:
        case QuoteCall():
            return [[quoted(market, call)]]
        case CartCall():
            document = model.price_cart(market, *astuple(call))
            return [[document, document["total"]]]
        case PromoCall():
            return [model.validate_promo_code(market, *astuple(call))]
        case AddOnCall():
            return [[model.price_add_on(market, *astuple(call))]]
        case CartsCall():
            return model.price_carts(market, *astuple(call))


def expected_error(market, call):
    """The SQLSTATE that a call must fail with."""
    with pytest.raises(model.Refused) as refused:
        expected_rows(market, call)
    return refused.value.sqlstate


# Comparing


def written(value, indent=None):
    """An answer as text that also differs where Python holds values to be equal, as it does 1, 1.0 and 1.00."""
    return json.dumps(value, default=repr, sort_keys=True, ensure_ascii=False, indent=indent)


def report(connection, world, call, expected, actual):
    """A mismatch, and how to see it again."""
    texts = (written(answer, indent=2).splitlines() for answer in (expected, actual))
    difference = "\n".join(unified_diff(*texts, "model", "extension", n=12, lineterm=""))
    return (
        f"world {world.seed} ({world.kind}), TimeZone {world.time_zone}, currency {world.market.currency}\n\n"
        f"{extension.statement(connection, call)}\n\n{difference}\n\n"
        f"Repeat this world: DIFFERENTIAL_SEED={world.seed} DIFFERENTIAL_QUOTES=1 pytest {os.path.relpath(__file__)}"
    )


def answers(connection, world, calls):
    """The extension's answers; where it fails, which call it was."""
    try:
        with connection.transaction():
            return extension.answers(connection, calls)
    except psycopg.Error:
        for call in calls:
            if failure := extension.error_of(connection, call):
                actual = [failure.sqlstate, str(failure)]
                pytest.fail(report(connection, world, call, expected_rows(world.market, call), actual), pytrace=False)
        raise


def compare_calls(connection, world, calls, tally):
    """Compares the answers to calls of one kind."""
    for call, actual in zip(calls, answers(connection, world, calls), strict=True):
        expected = expected_rows(world.market, call)
        if written(actual) != written(expected):
            pytest.fail(report(connection, world, call, expected, actual), pytrace=False)
        if isinstance(call, (QuoteCall, CartCall)):
            tally.update(stages(expected[0][0]))


def compare_errors(connection, world):
    """Compares how calls fail that must."""
    for call in world.refused_calls:
        error = extension.error_of(connection, call)
        expected, actual = expected_error(world.market, call), error and error.sqlstate
        if actual != expected:
            pytest.fail(report(connection, world, call, expected, actual), pytrace=False)


def compare_world(connection, world, kinds, tally):
    """Writes a world, compares all its calls and leaves nothing behind."""
    with connection.transaction(force_rollback=True):
        extension.write(connection, world)
        for kind in kinds:
            if calls := [call for call in world.calls if isinstance(call, kind)]:
                compare_calls(connection, world, calls, tally)
        compare_errors(connection, world)
    tally["worlds"] += 1


# What was reached


def refused(reason):
    """The name of a refusal in the summary."""
    return f"code refused: {reason}"


STAGES = (
    "rules applied",
    "several stackable rules on a line",
    "bundles applied",
    "greedy search",
    "code applied",
    *map(refused, model.REASONS),
)


def stages(document):
    """What did something in a quote."""
    yield "quotes"
    lines, promo = document["lines"], document["promo"]
    happened = (
        any(line["rules"] for line in lines),
        any(len(line["rules"]) > 1 for line in lines),
        bool(document["bundles"]),
        document["bundle_search"] == "greedy",
        promo is not None and promo["valid"] and promo["discount"] > 0,
    )
    yield from (stage for stage, here in zip(STAGES, happened) if here)
    yield from map(refused, promo["reasons"] if promo else ())


def summary(tally, seconds):
    """A few lines for the person who runs the test."""
    quotes, worlds = tally["quotes"], tally["worlds"]
    lines = [f"{quotes} quotes in {worlds} worlds agree, {quotes / seconds:.0f} a second; of the quotes:"]
    return "\n".join(lines + [f"{tally[stage]:>8} {stage}" for stage in STAGES])


def test_extension_agrees_with_model(capsys):
    """Worlds from the first seed on, until there were quotes enough."""
    tally, start = Counter(), monotonic()
    with extension.connect() as connection:
        kinds = [kind for kind in extension.FUNCTIONS if kind is not CartsCall or extension.has_price_carts(connection)]
        with capsys.disabled():
            left_out = "" if CartsCall in kinds else ", without price_carts(), which does not exist"
            print(f"\nDIFFERENTIAL_SEED={SEED} DIFFERENTIAL_QUOTES={QUOTES}{left_out}")
        while tally["quotes"] < QUOTES:
            compare_world(connection, random_world(SEED + tally["worlds"]), kinds, tally)
    with capsys.disabled():
        print(summary(tally, monotonic() - start))
    if QUOTES >= ENOUGH_TO_REACH_EVERYTHING:
        assert [stage for stage in STAGES if not tally[stage]] == []
