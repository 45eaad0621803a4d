"""The extension's side of the comparison: writes worlds into its tables, and makes many calls in one statement."""

import json
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from decimal import Decimal

import model
import psycopg
from psycopg import sql
from psycopg.types.json import set_json_loads
from worlds import AddOnCall, CartCall, CartsCall, PromoCall, QuoteCall

# The referencing tables before those they reference; pricing_rules and add_on_features go with their add-ons.
TABLES = ("cart_items", "add_on_purchases", "user_add_ons", "promotional_codes", "add_on_bundles", "add_ons")
HUNDREDTHS = ("base_price", "discount_percent", "discount_amount", "discount_value", "min_purchase_amount")


def parsed(text):
    """A quote in which numbers keep their digits and the instant, given in the session's time zone, is one in UTC."""
    document = json.loads(text, parse_float=Decimal)
    document["priced_at"] = datetime.fromisoformat(document["priced_at"]).astimezone(UTC)
    return document


def connect():
    """A connection that reads quotes, and has no transaction but those that are asked for."""
    connection = psycopg.connect(autocommit=True)
    # Some of the random carts are as large as a cart can be at all.
    connection.execute("SET extensions.max_cart_quantity = 2147483647")
    set_json_loads(parsed, connection)
    return connection


# Writing a world


def json_text(document):
    """A JSON object without further objects; decimals are written as they are."""
    values = {key: value if isinstance(value, Decimal) else json.dumps(value) for key, value in document.items()}
    return "{" + ", ".join(f"{json.dumps(key)}: {value}" for key, value in values.items()) + "}"


def column(name, value):
    """A field of the model as its column wants it."""
    if name in HUNDREDTHS:
        return model.money(value)
    if name in ("conditions", "user_restrictions"):
        return json_text(value)
    return list(value) if isinstance(value, tuple) else value


def insert(cursor, table, rows, **more):
    """Inserts rows of the model, with further columns that are the same in all of them."""
    records = [{name: column(name, value) for name, value in vars(row).items()} | more for row in rows]
    if records:
        names = ", ".join(records[0])
        values = ", ".join(f"%({name})s" for name in records[0])
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({values})", records)


def write(connection, world):
    """Replaces whatever is in the tables by the world."""
    market = world.market
    with connection.pipeline(), connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"DELETE FROM {table}")
        if not all(model.are_well_formed(rule.conditions) for rule in market.rules):
            cursor.execute("ALTER TABLE pricing_rules DROP CONSTRAINT pricing_rules_conditions_check")
        cursor.execute("SELECT set_config('TimeZone', %s, true)", [world.time_zone])
        cursor.execute("SELECT set_config('extensions.currency', %s, true)", [market.currency])
        insert(cursor, "add_ons", market.add_ons.values(), category="analytics")
        insert(cursor, "pricing_rules", market.rules)
        insert(cursor, "add_on_bundles", market.bundles)
        insert(cursor, "promotional_codes", market.codes)
        insert(cursor, "user_add_ons", market.ownerships)
        insert(cursor, "add_on_purchases", market.purchases, amount=Decimal("1.00"))
        insert(cursor, "cart_items", market.cart_items)


# Calling


@dataclass(frozen=True)
class Function:
    """The types of a call's arguments, and what to select for it."""

    types: tuple[str, ...]
    columns: str
    source: str


FUNCTIONS = {
    QuoteCall: Function(
        ("jsonb", "text", "text", "text", "timestamptz"),
        "answer",
        "quote({}) AS answer",
    ),
    CartCall: Function(
        ("text", "text", "text", "timestamptz"),
        "answer, total",
        "price_cart({0}) AS answer CROSS JOIN cart_total({0}) AS total",
    ),
    PromoCall: Function(
        ("text", "text", "text", "timestamptz"),
        "answer.*",
        "validate_promo_code({}) AS answer",
    ),
    AddOnCall: Function(
        ("uuid", "integer", "text", "timestamptz"),
        "answer",
        "price_add_on({}) AS answer",
    ),
    CartsCall: Function(
        ("text", "text", "timestamptz"),
        "answer.*",
        "price_carts({}) AS answer",
    ),
}


def has_price_carts(connection):
    """Whether this version of the extension prices all carts at once."""
    return connection.execute("SELECT to_regproc('price_carts') IS NOT NULL").fetchone()[0]


def arguments(call):
    """What a call passes, in order."""
    values = list(astuple(call))
    if isinstance(call, QuoteCall):
        values[0] = json.dumps([{"add_on_id": add_on_id, "quantity": quantity} for add_on_id, quantity in call.items])
    return values


def statement(connection, call):
    """A call as somebody would type it."""
    function = FUNCTIONS[type(call)]
    values = ((value if value is None else str(value), name) for value, name in zip(arguments(call), function.types))
    literals = (f"{sql.Literal(value).as_string(connection)}::{name}" for value, name in values)
    return f"SELECT {function.columns} FROM {function.source.format(', '.join(literals))}"


def batch(kind):
    """A statement that makes calls of one kind, given an array for each argument."""
    function = FUNCTIONS[kind]
    names = ", ".join(f"argument_{number}" for number in range(len(function.types)))
    # The elements of an array of jsonb would have to be quoted twice.
    arrays = ", ".join(f"%s::{'text' if name == 'jsonb' else name}[]" for name in function.types)
    casts = ", ".join(f"argument_{number}::{name}" for number, name in enumerate(function.types))
    return f"""
        SELECT number, {function.columns}
        FROM unnest({arrays}) WITH ORDINALITY AS calls ({names}, number)
        CROSS JOIN {function.source.format(casts)}"""


def answers(connection, calls):
    """The rows that each of the calls returns, sorted; all calls are of one kind."""
    columns = [list(values) for values in zip(*map(arguments, calls))]
    result = [[] for _ in calls]
    for number, *row in connection.execute(batch(type(calls[0])), columns):
        result[number - 1].append(row)
    return [sorted(rows) for rows in result]


def error_of(connection, call):
    """The error that a call fails with, or None."""
    try:
        with connection.transaction():
            connection.execute(statement(connection, call))
    except psycopg.Error as error:
        return error
    return None
