"""SQLAlchemy 2, with and without coroutines, and the models of examples/sqlalchemy."""

from decimal import Decimal

import marketplace
import psycopg
import pytest
import sqlalchemy as sa
from marketplace import AddOn, AddOnFeature, AddOnPurchase, CartItem, PromotionalCode
from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, selectinload

from conftest import ADD_ONS, code, code_in, drop_database

BRIGADE, BOLT, VECTORS = (ADD_ONS[name] for name in ("Brigade", "Bolt", "Vector Search"))


@pytest.fixture
def engine():
    engine = sa.create_engine("postgresql+psycopg://")
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine):
    with engine.connect() as connection, Session(connection, join_transaction_mode="create_savepoint") as session:
        yield session
        connection.rollback()


def table_described(inspector, table, schema):
    """All that SQLAlchemy can read of a table, but its indexes and comments, which belong to the extension alone."""
    foreign_keys = inspector.get_foreign_keys(table, schema=schema)
    primary_key = inspector.get_pk_constraint(table, schema=schema)
    return {
        "columns": [
            (column["name"], column["type"].compile(postgresql.dialect()), column["nullable"], column["default"])
            for column in inspector.get_columns(table, schema=schema)
        ],
        "primary key": (primary_key["name"], primary_key["constrained_columns"]),
        "foreign keys": [
            (key["name"], key["constrained_columns"], key["referred_table"], key["referred_columns"], key["options"])
            for key in foreign_keys
        ],
        "unique": sorted((key["name"], key["column_names"]) for key in inspector.get_unique_constraints(table, schema=schema)),
        "checks": sorted((key["name"], key["sqltext"]) for key in inspector.get_check_constraints(table, schema=schema)),
    }


def test_the_models_declare_what_the_database_has(engine):
    """The models' own tables, made in another schema, are described by PostgreSQL as the extension's are."""
    with engine.connect() as connection:
        connection.execute(sa.text("CREATE SCHEMA declared"))
        for table in marketplace.Marketplace.metadata.tables.values():
            assert table.schema is None
        declared = connection.execution_options(schema_translate_map={None: "declared"})
        marketplace.Marketplace.metadata.create_all(declared)
        inspector = sa.inspect(connection)
        tables = sorted(marketplace.Marketplace.metadata.tables)
        assert tables == sorted(inspector.get_table_names(schema="public")) and len(tables) == 8
        for table in tables:
            ours, theirs = (table_described(inspector, table, schema) for schema in ("public", "declared"))
            assert ours == theirs, table
        connection.rollback()


def test_reflected_tables_work_too(engine):
    metadata = sa.MetaData()
    metadata.reflect(engine)
    table = metadata.tables["add_ons"]
    with engine.connect() as connection:
        rows = connection.execute(select(table.c.name).where(table.c.features.contains(["ocr"]))).scalars().all()
    assert rows == ["Document Processing"]
    (key,) = metadata.tables["cart_items"].c.add_on_id.foreign_keys
    assert key.target_fullname == "add_ons.id"


def test_the_extension_may_lie_in_another_schema():
    with psycopg.connect(autocommit=True) as connection:
        connection.execute("CREATE DATABASE elsewhere")
    try:
        with psycopg.connect(dbname="elsewhere") as connection:
            connection.execute("CREATE SCHEMA marketplace; CREATE EXTENSION extensions SCHEMA marketplace")
            connection.execute("SELECT * FROM marketplace.load_sample_catalog()")
        options = {"schema_translate_map": {None: "marketplace"}}
        engine = sa.create_engine("postgresql+psycopg:///elsewhere", execution_options=options)
        with Session(engine) as session:
            session.execute(select(func.marketplace.add_to_cart("ada", BOLT)))
            assert session.scalars(select(CartItem)).one().add_on.name == "Bolt"
            assert session.scalar(select(func.marketplace.cart_total("ada"))) == Decimal("14.99")
        engine.dispose()
    finally:
        drop_database("elsewhere")


def test_the_orm_reads_the_catalog(session):
    query = select(AddOn).where(AddOn.is_active).order_by(AddOn.sort_order).options(selectinload(AddOn.gives))
    add_ons = session.scalars(query).all()
    assert len(add_ons) == 9 and add_ons[3].name == "Bolt" and add_ons[3].base_price == Decimal("14.99")
    assert {feature.feature_key for feature in add_ons[3].gives} == set(add_ons[3].features)
    assert add_ons[3].id == BOLT and add_ons[3].updated_at.tzinfo is not None


def test_what_the_database_fills_in_comes_back(session):
    add_on = AddOn(name="Lens", category="analytics", base_price=Decimal("5.00"), billing_type="annual", features=["lens"])
    add_on.gives.append(AddOnFeature(feature_key="lens", configuration={"zoom": 2}))
    session.add(add_on)
    session.flush()
    assert add_on.id and add_on.is_active is True and add_on.details == {} and add_on.gives[0].enabled is True
    first = add_on.updated_at
    session.execute(sa.text("UPDATE add_ons SET updated_at = '2020-01-01'"))
    add_on.sort_order = 5
    session.flush()
    assert add_on.updated_at >= first  # by the trigger, whatever was written
    code = PromotionalCode(code=" friday ", discount_type="fixed_amount", discount_value=Decimal("1.00"))
    session.add(code)
    session.flush()
    session.refresh(code)
    assert code.code == "FRIDAY"
    session.delete(add_on)
    session.flush()
    assert session.scalar(select(func.count()).select_from(AddOnFeature).where(AddOnFeature.feature_key == "lens")) == 0


def test_functions_are_called_by_position_and_return_tables(session):
    added = func.add_to_cart("ada", BRIGADE, 2).table_valued("cart_item_id", "add_on_id", "quantity")
    assert session.execute(select(added.c.add_on_id, added.c.quantity)).one() == (BRIGADE, 2)
    assert session.scalar(select(func.cart_total("ada"))) == Decimal("39.98")
    item = session.scalars(select(CartItem).options(selectinload(CartItem.add_on))).one()
    assert (item.user_id, item.quantity, item.add_on.name) == ("ada", 2, "Brigade")
    quote = session.scalar(select(func.price_cart("ada", type_=postgresql.JSONB)))
    assert quote["total"] == 39.98


def test_functions_are_called_by_name(session):
    session.execute(sa.text("SELECT * FROM add_to_cart(:user, :add_on)"), {"user": "ada", "add_on": BOLT})
    query = sa.text("SELECT * FROM checkout(:user, promo_code => :code, expected_total => :total)")
    row = session.execute(query, {"user": "ada", "code": "friend50", "total": Decimal("9.99")}).mappings().one()
    assert (row["amount"], row["status"]) == (Decimal("9.99"), "pending")
    purchase = session.get(AddOnPurchase, row["purchase_id"])
    assert (purchase.promo_code, purchase.add_on.name) == ("FRIEND50", "Bolt")


def test_functions_can_be_asked_of_columns(session):
    session.execute(select(func.add_to_cart("ada", BOLT)))
    session.execute(select(func.add_to_cart("bob", VECTORS, 2)))
    query = select(CartItem.user_id, func.cart_total(CartItem.user_id)).order_by(CartItem.user_id)
    assert session.execute(query).all() == [("ada", Decimal("14.99")), ("bob", Decimal("29.98"))]


def test_errors(session):
    with pytest.raises(sa.exc.IntegrityError) as raised, session.begin_nested():
        session.execute(select(func.add_to_cart("ada", BOLT, 101)))
    assert raised.value.orig.sqlstate == "23514" and code(raised.value.orig) == "quantity_limit"
    with pytest.raises(sa.exc.DBAPIError) as raised, session.begin_nested():
        session.execute(select(func.checkout("nobody")))
    assert raised.value.orig.sqlstate == "55000" and code(raised.value.orig) == "empty_cart"
    assert session.scalar(select(func.cart_total("nobody"))) == 0


def test_the_orm_is_held_to_the_life_of_a_purchase(session):
    session.execute(select(func.add_to_cart("ada", BOLT)))
    session.execute(select(func.checkout("ada")))
    purchase = session.scalars(select(AddOnPurchase)).one()
    with pytest.raises(sa.exc.IntegrityError) as raised, session.begin_nested():
        purchase.status = "refunded"
        session.flush()
    assert code(raised.value.orig) == "illegal_transition"


@pytest.mark.anyio
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_coroutines(driver):
    engine = create_async_engine(f"postgresql+{driver}://")
    async with engine.connect() as connection:
        await connection.begin()
        async with AsyncSession(connection, join_transaction_mode="create_savepoint") as session:
            for add_on, quantity in ((BRIGADE, 1), (BOLT, 1), (VECTORS, 2)):
                await session.execute(select(func.add_to_cart("ada", add_on, quantity)))
            query = sa.text("SELECT cart_total(:user, promo_code => :code)")
            assert await session.scalar(query, {"user": "ada", "code": "launch2025"}) == Decimal("43.98")
            items = (await session.scalars(select(CartItem).options(selectinload(CartItem.add_on)))).all()
            assert {item.add_on.name for item in items} == {"Brigade", "Bolt", "Vector Search"}
            with pytest.raises(sa.exc.DBAPIError) as raised:
                async with session.begin_nested():
                    await session.execute(sa.text("SELECT * FROM checkout('ada', expected_total => 1)"))
            original = raised.value.orig
            assert original.sqlstate == "55000"
            detail = original.diag.message_detail if driver == "psycopg" else original.__cause__.detail
            assert code_in(detail) == "price_changed"
            checkout = func.checkout("ada").table_valued("checkout_id", "amount", "status")
            assert len((await session.execute(select(checkout.c.amount))).all()) == 3
        await connection.rollback()
    await engine.dispose()
