"""Alembic's environment: migrates the application's tables, and leaves those of extensions alone."""

import os

import sqlalchemy as sa
from alembic import context
from models import Base

MEMBERS = """
    SELECT n.nspname, c.relname
      FROM pg_catalog.pg_depend d
      JOIN pg_catalog.pg_class c ON c.oid = d.objid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE d.deptype = 'e' AND d.classid = 'pg_catalog.pg_class'::regclass
"""

engine = sa.create_engine(os.environ.get("DATABASE_URL", "postgresql+psycopg://"), poolclass=sa.NullPool)
with engine.connect() as connection:
    with connection.begin():
        members = {tuple(row) for row in connection.execute(sa.text(MEMBERS))}
    default_schema = connection.dialect.default_schema_name

    def is_ours(item, name, kind, reflected, compare_to):
        table = item if kind == "table" else getattr(item, "table", None)
        return table is None or (table.schema or default_schema, table.name) not in members

    # A transaction for each migration, so that an extension is installed or updated completely or not at all.
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=is_ours,
        include_schemas=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
