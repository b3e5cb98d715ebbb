"""Files of advisories that are loaded, decisions on them, and by what each key was judged."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables; every key that is known is judged anew, for its rulebook is none."""
    op.create_table(
        "fleet_advisory_file",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("edition", sa.BigInteger, nullable=False),
        sa.Column("signer", sa.LargeBinary, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("loaded_us", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fleet_decision",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("advisory_id", sa.Text, nullable=False),
        sa.Column("critical", sa.Boolean, nullable=False),
        sa.Column("edition", sa.BigInteger, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("criterion", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.add_column("fleet_key", sa.Column("rulebook", sa.Text, nullable=False, server_default=""))
    op.add_column("fleet_key", sa.Column("hits", sa.Text, nullable=False, server_default="{}"))
    op.create_index("fleet_key_by_rulebook", "fleet_key", ["rulebook", "key_id"])
