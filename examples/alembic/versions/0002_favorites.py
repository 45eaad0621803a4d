"""A table of the application's own that refers to the marketplace."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.create_table(
        "favorites",
        sa.Column("user_id", sa.String(255), primary_key=True),
        sa.Column("add_on_id", sa.Uuid, sa.ForeignKey("marketplace.add_ons.id", ondelete="CASCADE"), primary_key=True),
    )


def downgrade():
    op.drop_table("favorites")
