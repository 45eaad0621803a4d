"""Functions called by name with a JSON object of arguments, in a role of the request, as PostgREST calls them."""

import json
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import errors, sql

from conftest import ADD_ONS, ROOT, code, drop_database

BRIGADE, BOLT = (str(ADD_ONS[name]) for name in ("Brigade", "Bolt"))
NOBODY = "00000000-0000-4000-8000-000000000000"


def call(connection, schema, name, arguments):
    """Types are looked up in the catalog; the arguments given are passed by name, and the others keep their defaults."""
    query = """
        SELECT a.name, format_type(a.type, NULL)
          FROM pg_proc p, unnest(p.proargnames[:p.pronargs], p.proargtypes::oid[]) a (name, type)
         WHERE p.pronamespace = to_regnamespace(%s) AND p.proname = %s
    """
    types = dict(connection.execute(query, [schema, name]).fetchall())
    assert arguments.keys() <= types.keys(), f"{name} takes {list(types)}"
    if not arguments:
        statement = sql.SQL("SELECT result FROM {}.{}() result").format(sql.Identifier(schema), sql.Identifier(name))
    else:
        statement = sql.SQL("SELECT result FROM json_to_record(%s) given ({}), LATERAL {}.{}({}) result").format(
            sql.SQL(", ").join(sql.SQL("{} " + types[key]).format(sql.Identifier(key)) for key in arguments),
            sql.Identifier(schema),
            sql.Identifier(name),
            sql.SQL(", ").join(sql.SQL("{0} => given.{0}").format(sql.Identifier(key)) for key in arguments),
        )
    statement = sql.SQL("SELECT coalesce(json_agg(to_json(result)), '[]') FROM ({}) result (result)").format(statement)
    return connection.execute(statement, [json.dumps(arguments)] if arguments else []).fetchone()[0]


# Each function of the contract that takes arguments, with enough of them.
CALLS = {
    "price_add_on": {"add_on_id": BRIGADE, "quantity": 2},
    "quote": {"items": [{"add_on_id": BRIGADE, "quantity": 2}], "promo_code": "friend50"},
    "price_cart": {"user_id": "ada", "at": "2026-01-01T00:00:00Z"},
    "cart_total": {"user_id": "ada"},
    "cart_lines": {"user_id": "ada", "promo_code": "friend50"},
    "price_carts": {"promo_code": None},
    "explain_cart": {"user_id": "ada"},
    "explain_cart_text": {"user_id": "ada"},
    "simulate_pricing_rule": {"rule": {"add_on_id": BOLT, "discount_percent": 50}},
    "simulate_promo_code": {"code": {"code": "X", "discount_type": "fixed_amount", "discount_value": 1}},
    "simulate_renewals": {"add_on_id": BOLT, "base_price": 24.99},
    "validate_promo_code": {"code": "vip2025", "user_id": "ada", "tier_code": "vip_founder"},
    "has_feature": {"user_id": "ada", "feature_key": "ocr"},
    "has_add_on": {"user_id": "ada", "add_on_id": BOLT},
    "has_features": {"user_id": "ada", "feature_keys": ["ocr", "gpu_hours"]},
    "feature_configuration": {"user_id": "ada", "feature_key": "ocr"},
    "user_features": {"user_id": "ada"},
    "active_add_ons": {"user_id": "ada"},
    "entitled_users": {"feature_key": "ocr"},
    "add_to_cart": {"user_id": "ada", "add_on_id": BOLT},
    "set_cart_quantity": {"user_id": "ada", "add_on_id": BOLT, "quantity": 2},
    "remove_from_cart": {"user_id": "ada", "add_on_id": BRIGADE},
    "checkout": {"user_id": "ada", "expected_total": 29.98},
    "purchase_history": {"user_id": "ada", "max_rows": 5},
    "list_purchases": {"user_id": "ada", "status": "pending", "max_rows": 5},
    "revenue_by_add_on": {"since": "2026-01-01T00:00:00Z"},
    "grant_add_on": {"user_id": "ada", "add_on_id": BOLT, "expires_at": "2099-01-31T00:00:00Z"},
    "renew_add_on": {"user_id": "ada", "add_on_id": BOLT, "stripe_payment_id": "pi_1"},
    "suspend_add_on": {"user_id": "ada", "add_on_id": BOLT},
    "resume_add_on": {"user_id": "ada", "add_on_id": BOLT},
    "cancel_add_on": {"user_id": "ada", "add_on_id": BOLT, "immediately": True},
    "clear_cart": {"user_id": "ada"},
    "apply_stripe_event": {"event": {"id": "evt_1", "type": "customer.created", "data": {"object": {}}}},
    "apply_lago_event": {"event": {"webhook_type": "fee.created", "object_type": "fee", "fee": {}}},
    "search_add_ons": {"search": "vec", "max_price": 20},
    "list_add_ons": {"search": "vec", "max_rows": 1},
    "run_maintenance": {"cart_max_age": "30 days"},
}


def test_every_function_is_callable_by_name_with_json(connection):
    answers = {name: call(connection, "public", name, arguments) for name, arguments in CALLS.items()}
    assert answers["price_add_on"] == [39.98] and answers["quote"][0]["promo"]["discount"] == 5
    assert answers["validate_promo_code"][0]["reasons"] == ["empty_cart"]
    assert answers["has_features"][1] == {"feature_key": "gpu_hours", "entitled": False}
    assert answers["add_to_cart"][0]["quantity"] == 1 and answers["set_cart_quantity"][0]["quantity"] == 2
    assert [row["amount"] for row in answers["checkout"]] == [29.98] == [row["amount"] for row in answers["purchase_history"]]
    assert answers["renew_add_on"] == ["2099-02-28T00:00:00+00:00"]
    assert answers["list_purchases"][0]["total_count"] == 1 and answers["cart_lines"] == answers["revenue_by_add_on"] == []
    assert {row["name"] for row in answers["search_add_ons"]} == {"Vector Search", "Center-Deep Pro"}
    assert [row["total_count"] for row in answers["list_add_ons"]] == [2]
    assert call(connection, "public", "load_sample_catalog", {})[0] == {"object": "add_ons", "inserted": 0}


def test_a_name_is_one_function(connection):
    """Overloads could not be told apart by the names of their arguments alone."""
    query = """
        SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prorettype <> 'trigger'::regtype
         GROUP BY proname HAVING count(*) > 1
    """
    assert connection.execute(query).fetchall() == []


@pytest.fixture(scope="module")
def api():
    """A database with the schema of examples/postgrest, and its login role."""
    with psycopg.connect(autocommit=True) as connection:
        connection.execute("CREATE DATABASE api")
    try:
        with psycopg.connect(dbname="api", autocommit=True) as connection:
            connection.execute("CREATE SCHEMA marketplace; CREATE EXTENSION extensions SCHEMA marketplace")
            connection.execute("SELECT * FROM marketplace.load_sample_catalog()")
            connection.execute((ROOT / "examples/postgrest/api.sql").read_text())
        yield {"dbname": "api", "user": "authenticator"}
    finally:
        drop_database("api")
        with psycopg.connect(autocommit=True) as connection:
            connection.execute("DROP ROLE IF EXISTS authenticator, visitor, customer")


@contextmanager
def request(options, claims=None):
    """A request's transaction: role and claims of the token, then the function that db-pre-request names."""
    with psycopg.connect(**options) as connection:
        role = claims["role"] if claims else "visitor"
        settings = [role, json.dumps(claims) if claims else ""]
        connection.execute("SELECT set_config('role', %s, true), set_config('request.jwt.claims', %s, true)", settings)
        connection.execute("SELECT api.identify()")
        yield connection


ADA, BOB = ({"role": "customer", "sub": user} for user in ("ada", "bob"))


def test_a_visitor_reads_the_catalog_and_nothing_else(api):
    with request(api) as visitor:
        rows = call(visitor, "api", "search", {"search": "bolt"})
        assert [(row["name"], row["base_price"]) for row in rows] == [("Bolt", 14.99)]
    for name, arguments in (("cart", {}), ("put_into_cart", {"add_on_id": BOLT}), ("checkout", {})):
        with pytest.raises(errors.InsufficientPrivilege), request(api) as visitor:
            call(visitor, "api", name, arguments)
    with pytest.raises(errors.InsufficientPrivilege), request(api) as visitor:
        visitor.execute("SELECT * FROM marketplace.cart_items")


def test_a_customer_shops_as_the_user_of_the_token(api):
    with request(api, ADA) as customer:
        assert call(customer, "api", "put_into_cart", {"add_on_id": BOLT, "quantity": 2})[0]["quantity"] == 2
    with request(api, BOB) as customer:
        assert call(customer, "api", "cart", {})[0]["total"] == 0
        call(customer, "api", "put_into_cart", {"add_on_id": BRIGADE})
        assert customer.execute("SELECT DISTINCT user_id FROM marketplace.cart_items").fetchall() == [("bob",)]
    with request(api, ADA) as customer:
        quote = call(customer, "api", "cart", {"promo_code": "friend50"})[0]
        assert (quote["user_id"], quote["total"]) == ("ada", 24.98)


def test_nobody_writes_for_somebody_else(api):
    with request(api, BOB) as customer:
        with pytest.raises(errors.InsufficientPrivilege), customer.transaction():
            customer.execute("SELECT * FROM marketplace.add_to_cart('ada', %s)", [BOLT])
        assert customer.execute("SELECT marketplace.cart_total('ada')").fetchone() == (0,)


@pytest.mark.parametrize(
    ("state", "machine_code", "arguments"),
    [("PT409", "price_changed", {"expected_total": 1}), ("PT422", "promo_refused", {"promo_code": "nope"})],
)
def test_refusals_become_statuses_and_keep_their_words(api, state, machine_code, arguments):
    with pytest.raises(psycopg.Error) as raised, request(api, {"role": "customer", "sub": state}) as customer:
        call(customer, "api", "put_into_cart", {"add_on_id": BOLT})
        call(customer, "api", "checkout", arguments)
    assert raised.value.sqlstate == state
    assert code(raised.value) == machine_code and raised.value.diag.message_hint


def test_a_checkout(api):
    claims = {"role": "customer", "sub": "cyd"}
    with request(api, claims) as customer:
        call(customer, "api", "put_into_cart", {"add_on_id": BOLT})
    rows = []
    for _ in range(2):  # a repeated request is one checkout
        with request(api, claims) as customer:
            rows.append(call(customer, "api", "checkout", {"expected_total": 14.99, "idempotency_key": "tab 1"}))
    assert rows[0] == rows[1] and [(row["amount"], row["status"]) for row in rows[0]] == [(14.99, "pending")]
    with request(api, claims) as customer:
        assert call(customer, "api", "features", {}) == []
