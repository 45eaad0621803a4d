"""The rows of the table in docs/benchmarks.md: what is measured, beside what, and what is asked for.

A ratio is how many times the speed of the other side: 2 is twice as fast, 0.5 takes twice the time. Where a limit is asked for, it
stands in place of the other side, and 1 or more is within it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    work: str
    beside: str
    unit: str
    # The ratio at least, if one is asked for.
    asked: float | None = None
    # The limit, if one is asked for, in the row's unit.
    limit: float | None = None


def of_a_column(position):
    return Row(f"`has_feature` of a column in {position}", "the better of its two forms, in the worst case", "us", 1 / 1.1)


SECTIONS = {
    "Entitlement checks": {
        "feature": Row("`has_feature`, calls in one statement", "PL/pgSQL", "us", 2),
        "feature_by_value": Row("`has_feature` by value", "a bare EXISTS on (user_id, add_on_id)", "us", 1 / 1.2),
        "feature_where": of_a_column("WHERE"),
        "feature_select": of_a_column("a select list"),
        "feature_case": of_a_column("CASE"),
        "feature_filter": of_a_column("FILTER"),
        "feature_join": of_a_column("JOIN"),
        "feature_order": of_a_column("ORDER BY"),
        "everybody_64kB": Row("`has_feature` of every user, `work_mem` 64 kB", "the hand-written join", "us", 1),
        "everybody_4MB": Row("`has_feature` of every user, `work_mem` 4 MB", "the hand-written join", "us", 1),
        "everybody_64MB": Row("`has_feature` of every user, `work_mem` 64 MB", "the hand-written join", "us", 1),
        "entitled_users": Row("`entitled_users`", "the hand-written join", "us"),
        "feature_pgbench": Row("`has_feature`, one a transaction", "a bare EXISTS, one a transaction", "tps", 0.85),
        "feature_usage": Row("`feature_usage`", "`has_feature` by value", "us", 1 / 1.5),
    },
    "Prices": {
        "price_add_on": Row("`price_add_on`", "PL/pgSQL", "us", 20),
        "price_cart": Row("`price_cart`, 3 lines and a code", "PL/pgSQL", "us", 5),
        "price_cart_limit": Row("`price_cart`, 3 lines and a code", "the limit", "us", 1, limit=15),
        "price_carts": Row("`price_carts`, a cart", "PL/pgSQL, called for each cart", "us", 30),
        "price_carts_lines": Row("`price_carts`, rules that ask for ownership and purchases", "the limit", "M/s", 1, limit=2),
        "simulate_rule": Row("`simulate_pricing_rule`, a cart", "`price_carts`", "us", 1 / 1.3),
        "simulate_bundle": Row("`simulate_bundle`, a cart", "`price_carts`", "us", 1 / 1.3),
        "simulate_code": Row("`simulate_promo_code`, a cart", "`price_carts` with a code", "us", 1 / 1.3),
    },
    "The first call of a session": {
        "first_feature": Row("`has_feature`", "PL/pgSQL, the same query", "us", 1),
        "first_feature_select": Row("`has_feature`", "a plain SELECT", "us"),
        "first_load": Row("loading the library", "the limit", "us", 1, limit=500),
        "first_cart": Row("`price_cart`, 3 lines and a code", "PL/pgSQL, the same rules", "us", 1),
    },
    "Sales": {
        "sale": Row("`checkout` and `complete_checkout`", "the bare statements", "tps", 0.9),
        "sale_8": Row("`checkout` and `complete_checkout`, 8 clients", "the bare statements", "tps", 0.85),
        "hot_code": Row("`checkout` with one code, 32 clients", "a bare guarded UPDATE in the same transaction", "tps", 0.95),
        "wal": Row("WAL of a sale of 3 lines, beyond that of the bare rows", "the limit", "bytes", 1, limit=4096),
    },
    "Usage and events": {
        "usage": Row("`consume_feature`, one row, 32 clients", "a bare guarded UPDATE of the same row", "tps", 0.8),
        "usage_plain": Row("`consume_feature`, one row, 32 clients", "a bare guarded UPDATE of a plain table", "tps", 0.8),
        "usage_many": Row("`consume_feature`, 2001 users, 32 clients", "a bare guarded UPDATE of a plain table", "tps"),
        "usage_1": Row("`consume_feature`, one client", "a bare guarded UPDATE of a plain table", "tps"),
        "event_paid": Row("the event that pays for 3 lines", "the limit", "us", 1, limit=1000),
        "event_refunded": Row("the event that refunds 3 lines", "the limit", "us", 1, limit=1000),
        "refund_large": Row("the event that refunds 10,000 lines", "the limit", "us", 1, limit=1_000_000),
    },
    "Single calls": {
        "p99_active_add_ons": Row("`active_add_ons`, p99", "the limit", "us", 1, limit=500),
        "p99_price_cart": Row("`price_cart`, 3 lines and a code, p99", "the limit", "us", 1, limit=300),
        "p99_purchase_history": Row("`purchase_history`, p99", "the limit", "us", 1, limit=1000),
        "p99_feature_search": Row("`search_add_ons` by a feature, p99", "the limit", "us", 1, limit=1500),
        "p99_bundle_lookup": Row("the bundles of an add-on, p99", "the limit", "us", 1, limit=800),
    },
    "Over the wire": {
        f"wire_{work}_{transport}_{how}": Row(f"{call}, {transport}", f"an application, statements {sent}", "us")
        for work, call in [("price", "`price_cart`, 3 lines and a code"), ("sale", "`checkout` and `complete_checkout`")]
        for transport in ["socket", "TCP"]
        for how, sent in [("one by one", "one by one"), ("pipelined", "pipelined")]
    },
}
ROWS = {key: row for section in SECTIONS.values() for key, row in section.items()}


def is_reached(key, ratio):
    """Whether a ratio is what was asked for; None where nothing was."""
    asked = ROWS[key].asked
    return None if asked is None else ratio >= asked
