"""Update the marketplace to the version that is installed on the server.

Make such a migration whenever the server's package was upgraded. Where the database has that version already, nothing happens.
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade():
    op.execute("ALTER EXTENSION extensions UPDATE")


def downgrade():
    """Nothing: what an older application calls is in newer versions too, and there is no way back to an older one."""
