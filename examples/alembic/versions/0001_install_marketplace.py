"""Install the marketplace, with what the plain-SQL tables hold if there are any.

The old tables stay where they are, so that the way back loses nothing of them.
"""

import sqlalchemy as sa
from alembic import context, op

revision = "0001"
down_revision = None


def upgrade():
    connection = op.get_bind()
    options = context.get_x_argument(as_dictionary=True)
    # alembic -x version=1.0.0 upgrade head: as a database was when that was the newest.
    version = f' VERSION "{options["version"]}"' if "version" in options else ""
    op.execute("CREATE SCHEMA marketplace")
    op.execute(f"CREATE EXTENSION extensions SCHEMA marketplace{version}")
    if connection.scalar(sa.text("SELECT to_regclass('public.add_ons') IS NOT NULL")):
        adopt(connection, options.get("time_zone", "UTC"))


def adopt(connection, time_zone):
    """The old tables' times had no zone: -x time_zone=Europe/Berlin says whose they were."""
    query = sa.text("SELECT object, status, detail FROM marketplace.adopt_tables('public', :time_zone)")
    rows = connection.execute(query, {"time_zone": time_zone}).all()
    obstacles = [f"{row.object}: {row.detail}" for row in rows if row.status == "obstacle"]
    if obstacles:
        raise RuntimeError("the old tables cannot be taken over:\n" + "\n".join(obstacles))


def downgrade():
    """Drops the marketplace with its rows; protect_marketplace() is there to prevent that."""
    op.execute("DROP EXTENSION extensions")
    op.execute("DROP SCHEMA marketplace")
