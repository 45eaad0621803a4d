"""Every function through psycopg 3: what Python gets back, and which exception for which mistake."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors
from psycopg.types.json import Jsonb

from conftest import ADD_ONS, code

BRIGADE, BOLT, VECTORS, GPU = (ADD_ONS[name] for name in ("Brigade", "Bolt", "Vector Search", "GPU Compute"))


def fill_cart(call, user="ada"):
    call("SELECT * FROM add_to_cart(%s, %s)", user, BRIGADE)
    call("SELECT * FROM add_to_cart(%s, %s)", user, BOLT)
    call("SELECT * FROM add_to_cart(%s, %s, %s)", user, VECTORS, 2)


def test_prices_are_exact_decimals(call):
    assert call("SELECT price_add_on(%s)", BRIGADE) == [(Decimal("19.99"),)]
    assert call("SELECT price_add_on(%s, %s, tier_code => %s)", BRIGADE, 3, "pro") == [(Decimal("59.97"),)]
    fill_cart(call)
    assert call("SELECT cart_total('ada')") == [(Decimal("54.97"),)]
    assert call("SELECT cart_total(%s, promo_code => %s)", "ada", "launch2025") == [(Decimal("43.98"),)]
    # An amount that int(float(price) * 100) gets wrong.
    cents = call("SELECT (price_add_on(%s) * 100)::int", BRIGADE)[0][0]
    assert cents == 1999 and int(float("19.99") * 100) == 1998


def test_a_quote_is_a_dictionary(call):
    fill_cart(call)
    (quote,) = call("SELECT price_cart(%s, %s, %s)", "ada", None, " launch2025 ")[0]
    assert [line["name"] for line in quote["lines"]] == ["Brigade", "Bolt", "Vector Search"]
    assert quote["promo"]["code"] == "LAUNCH2025" and quote["promo"]["valid"] is True
    assert (quote["line_count"], quote["item_count"], quote["currency"]) == (3, 4, "USD")
    items = [{"add_on_id": str(BRIGADE), "quantity": 2}]
    (quote,) = call("SELECT quote(%s, at => %s)", Jsonb(items), datetime(2026, 1, 1, tzinfo=timezone.utc))[0]
    assert quote["priced_at"] == "2026-01-01T00:00:00+00:00"
    assert quote["user_id"] is None and quote["promo"] is None


def test_a_code_is_explained_in_one_row(call):
    fill_cart(call)
    (row,) = call("SELECT * FROM validate_promo_code(%s, %s)", "vip2025", "ada")
    assert row == (
        False, ["tier_not_allowed"], "percentage", Decimal("30.00"),
        Decimal("54.97"), Decimal("0.00"), Decimal("54.97"), Decimal("54.97"),
    )  # fmt: skip
    (row,) = call("SELECT valid, reasons, final_total FROM validate_promo_code(%s)", "vip2025")
    assert row == (False, ["tier_not_allowed"], None)


def test_entitlements(call):
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    call("INSERT INTO user_add_ons (user_id, add_on_id, purchased_at) VALUES ('ada', %s, %s) RETURNING id", BOLT, yesterday)
    assert call("SELECT has_feature('ada', 'gpu_hours'), has_add_on('ada', %s)", BOLT) == [(True, True)]
    assert call("SELECT has_feature('ada', 'gpu_hours', %s)", yesterday - timedelta(seconds=1)) == [(False,)]
    assert call("SELECT has_feature(%s, %s)", None, None) == [(False,)]
    assert call("SELECT * FROM has_features('ada', %s)", ["gpu_hours", "ocr"]) == [("gpu_hours", True), ("ocr", False)]
    assert call("SELECT feature_configuration('ada', 'gpu_hours')") == [({"limit": 10, "unit": "hours", "priority": False},)]
    assert call("SELECT feature_configuration('ada', 'ocr')") == [(None,)]
    features = call("SELECT feature_key, add_on_ids, expires_at FROM user_features('ada')")
    assert ("code_review", [BOLT], None) in features and len(features) == 4
    assert call("SELECT * FROM active_add_ons('ada')") == [(BOLT, "Bolt", "development", yesterday, None, True, 1)]
    assert call("SELECT * FROM entitled_users('gpu_hours')") == [("ada",)]


def test_a_cart(call):
    ((item, add_on, quantity),) = call("SELECT * FROM add_to_cart('ada', %s)", BRIGADE)
    assert isinstance(item, UUID) and (add_on, quantity) == (BRIGADE, 1)
    assert call("SELECT * FROM add_to_cart('ada', %s, 2)", BRIGADE) == [(item, BRIGADE, 3)]
    assert call("SELECT * FROM set_cart_quantity('ada', %s, 5)", BRIGADE) == [(item, BRIGADE, 5)]
    assert call("SELECT * FROM set_cart_quantity('ada', %s, 0)", BRIGADE) == []
    call("SELECT * FROM add_to_cart('ada', %s)", BOLT)
    assert call("SELECT remove_from_cart('ada', %s), remove_from_cart('ada', %s)", BOLT, GPU) == [(True, False)]
    assert call("SELECT clear_cart('ada')") == [(0,)]


def test_a_checkout_its_payment_and_its_refund(call):
    fill_cart(call)
    rows = call("SELECT * FROM checkout(%s, promo_code => %s, expected_total => %s)", "ada", "launch2025", Decimal("43.98"))
    checkout = rows[0][0]
    assert [row[2:] for row in rows] == [
        (BRIGADE, 1, Decimal("12.80"), "USD", "pending"),
        (BOLT, 1, Decimal("9.59"), "USD", "pending"),
        (VECTORS, 2, Decimal("21.59"), "USD", "pending"),
    ]
    granted = call("SELECT * FROM complete_checkout(%s, %s, payment_method => %s)", checkout, "pi_1", "card")
    assert [add_on for add_on, _ in granted] == [BRIGADE, BOLT, VECTORS]
    assert all(end > datetime.now(timezone.utc) + timedelta(days=27) for _, end in granted)
    assert call("SELECT * FROM complete_checkout(%s)", checkout) == granted
    purchase = rows[1][1]
    assert call("SELECT refund_purchase(%s, %s, %s)", purchase, Decimal("4.50"), "slow") == [(Decimal("4.50"),)]
    assert call("SELECT dispute_purchase(%s)", purchase) == [("disputed",)]
    assert call("SELECT has_add_on('ada', %s)", BOLT) == [(False,)]
    assert call("SELECT resolve_dispute(%s, %s)", purchase, False) == [("refunded",)]
    history = call("SELECT name, status, refund_amount FROM purchase_history('ada', status => 'refunded')")
    assert history == [("Bolt", "refunded", Decimal("9.59"))]


def test_a_checkout_that_is_repeated_or_given_up(call):
    fill_cart(call)
    first = call("SELECT * FROM checkout('ada', idempotency_key => %s)", "tab 1")
    assert call("SELECT * FROM checkout('ada', idempotency_key => %s)", "tab 1") == first
    assert call("SELECT fail_checkout(%s, %s)", first[0][0], "abandoned") == [(True,)]
    assert call("SELECT fail_checkout(%s)", first[0][0]) == [(False,)]


def test_what_users_own(call):
    end = datetime(2099, 1, 31, tzinfo=timezone.utc)
    assert call("SELECT * FROM grant_add_on('ada', %s, %s)", BOLT, end) == [(BOLT, end)]
    assert call("SELECT renew_add_on('ada', %s, %s, %s)", BOLT, Decimal("14.99"), "pi_1") == [
        (datetime(2099, 2, 28, tzinfo=timezone.utc),)
    ]
    assert call("SELECT suspend_add_on('ada', %s), has_add_on('ada', %s)", BOLT, BOLT)[0][0] is True
    assert call("SELECT resume_add_on('ada', %s)", BOLT) == [(True,)]
    assert call("SELECT cancel_add_on('ada', %s, %s)", BOLT, "too dear") == [(datetime(2099, 2, 28, tzinfo=timezone.utc),)]
    assert call("SELECT * FROM grant_add_on('ada', %s)", GPU) == [(GPU, None)]


def test_webhooks(call):
    fill_cart(call)
    checkout = call("SELECT checkout_id FROM checkout('ada')")[0][0]
    session = {"id": "cs_1", "client_reference_id": str(checkout), "payment_status": "paid", "amount_total": 5497, "currency": "usd"}
    event = {"id": "evt_1", "type": "checkout.session.completed", "created": 1767225600, "data": {"object": session}}
    for changed in (True, False):
        (report,) = call("SELECT apply_stripe_event(%s)", Jsonb(event))[0]
        assert report == {
            "handled": True, "action": "completed", "changed": changed, "retry": False, "user_id": "ada", "checkout_id": str(checkout),
        }  # fmt: skip
    (report,) = call("SELECT apply_lago_event(%s)", Jsonb({"webhook_type": "fee.created", "object_type": "fee", "fee": {}}))[0]
    assert report == {"handled": False, "action": "ignored", "retry": False}


def test_operations(call):
    assert {affected for _, affected in call("SELECT * FROM run_maintenance(batch => 5)")} == {0}
    assert [status for _, status, _ in call("SELECT * FROM link_reference_tables()")] == ["no such table"] * 2
    assert [status for _, status, _ in call("SELECT * FROM unlink_reference_tables()")] == ["was not linked"] * 2
    for view in ("revenue_by_day", "revenue_by_add_on", "revenue_by_category", "recurring_revenue", "subscriptions_expiring_soon"):
        assert call(f"SELECT * FROM {view}") == []
    assert len(call("SELECT * FROM promo_code_performance")) == 4


def test_searching(call):
    rows = call("SELECT name, base_price, rank FROM search_add_ons(%s, max_rows => %s)", "vec sea", 1)
    assert [(name, price) for name, price, _ in rows] == [("Vector Search", Decimal("14.99"))]
    assert rows[0][2] > 0
    (features,) = call("SELECT features FROM search_add_ons('bolt')")[0]
    assert features == ["cloud_workspaces", "code_completion", "code_review", "gpu_hours"]


def test_the_sample_and_the_check(call):
    assert {inserted for _, inserted in call("SELECT * FROM load_sample_catalog()")} == {0}
    assert all(ok for _, ok, _, _ in call("SELECT * FROM check_marketplace()"))


@pytest.mark.parametrize("user", ["O'Brien; DROP TABLE cart_items; --", "zoë 💩", "é" * 255, '"quoted"', "%s\\x00"])
def test_any_user_id_is_only_a_name(call, user):
    call("SELECT * FROM add_to_cart(%s, %s)", user, BRIGADE)
    assert call("SELECT cart_total(%s), price_cart(%s) ->> 'user_id'", user, user) == [(Decimal("19.99"), user)]


@pytest.mark.parametrize(
    ("expected", "machine_code", "query", "parameters"),
    [
        (errors.InvalidParameterValue, "null_argument", "SELECT cart_total(%s::text)", [None]),
        (errors.InvalidParameterValue, "null_argument", "SELECT price_add_on(%s::uuid)", [None]),
        (errors.InvalidParameterValue, "null_argument", "SELECT * FROM validate_promo_code(%s::text)", [None]),
        (errors.InvalidParameterValue, "null_argument", "SELECT clear_cart(%s::text)", [None]),
        (errors.InvalidParameterValue, "invalid_quantity", "SELECT price_add_on(%s, 0)", [BRIGADE]),
        (errors.InvalidParameterValue, "invalid_quantity", "SELECT * FROM set_cart_quantity('u', %s, -1)", [BRIGADE]),
        (errors.InvalidParameterValue, "invalid_user_id", "SELECT * FROM add_to_cart('', %s)", [BRIGADE]),
        (errors.InvalidParameterValue, "invalid_user_id", "SELECT remove_from_cart(%s, %s)", ["u" * 256, BRIGADE]),
        (errors.InvalidParameterValue, "malformed_argument", "SELECT quote(%s)", [Jsonb({})]),
        (errors.InvalidParameterValue, "malformed_argument", "SELECT quote(%s)", [Jsonb([{"quantity": 1}])]),
        (errors.InvalidParameterValue, "invalid_count", "SELECT * FROM search_add_ons(max_rows => -1)", []),
        (errors.NoDataFound, "add_on_not_found", "SELECT price_add_on(%s)", [uuid4()]),
        (errors.NoDataFound, "add_on_not_found", "SELECT * FROM add_to_cart('u', %s)", [uuid4()]),
        (errors.CheckViolation, "quantity_limit", "SELECT * FROM add_to_cart('u', %s, 101)", [BRIGADE]),
        (errors.NumericValueOutOfRange, "amount_out_of_range", "SELECT price_add_on(%s, 2147483647)", [BRIGADE]),
        (errors.ObjectNotInPrerequisiteState, "empty_cart", "SELECT * FROM checkout('nobody')", []),
        (errors.NoDataFound, "checkout_not_found", "SELECT * FROM complete_checkout(%s)", [uuid4()]),
        (errors.NoDataFound, "purchase_not_found", "SELECT refund_purchase(%s)", [uuid4()]),
        (errors.NoDataFound, "not_owned", "SELECT renew_add_on('nobody', %s)", [BOLT]),
        (errors.InvalidParameterValue, "malformed_argument", "SELECT apply_stripe_event(%s)", [Jsonb([])]),
        (errors.InvalidParameterValue, "invalid_amount", "SELECT refund_purchase(%s, %s)", [uuid4(), Decimal("-0.01")]),
        (errors.InvalidParameterValue, "negative_interval", "SELECT run_maintenance(%s)", [timedelta(days=-1)]),
        (errors.ObjectNotInPrerequisiteState, "scheduler_missing", "SELECT schedule_maintenance()", []),
    ],
)
def test_mistakes_are_exceptions_with_a_code(call, expected, machine_code, query, parameters):
    with pytest.raises(expected) as raised:
        call(query, *parameters)
    assert code(raised.value) == machine_code
    assert raised.value.diag.message_hint


def test_what_is_withdrawn_is_not_sold(call):
    call("UPDATE add_ons SET is_active = false WHERE id = %s RETURNING id", BRIGADE)
    with pytest.raises(errors.ObjectNotInPrerequisiteState) as raised:
        call("SELECT * FROM add_to_cart('ada', %s)", BRIGADE)
    assert code(raised.value) == "add_on_not_for_sale"
    assert call("SELECT count(*) FROM cart_items") == [(0,)]


def test_prepared_statements_see_changes(connection):
    for price in ("1.00", "2.00", "3.00"):
        connection.execute("UPDATE add_ons SET base_price = %s WHERE id = %s", [price, BRIGADE])
        row = connection.execute("SELECT price_add_on(%s)", [BRIGADE], prepare=True).fetchone()
        assert row == (Decimal(price),)


def test_the_callers_time_zone_and_search_path_change_nothing():
    with psycopg.connect(options="-c timezone=Pacific/Auckland -c search_path=''") as connection:
        query = "SELECT public.price_cart('nobody', at => '2026-01-01 00:00+00') ->> 'priced_at'"
        assert connection.execute(query).fetchone() == ("2026-01-01T00:00:00+00:00",)
        connection.rollback()
