"""Moving in: what the reference server says of a client, and counters of keys to come."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_PUBLIC_ID = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column("client", sa.Column("email", sa.Text))
    op.add_column("client", sa.Column("notes", sa.Text))
    op.create_table(
        "kept_counter",
        sa.Column("public_id", _PUBLIC_ID, primary_key=True),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("session", sa.SmallInteger, nullable=False),
        sa.Column("use", sa.SmallInteger, nullable=False),
        sa.Column("clock", sa.Integer, nullable=False),
        sa.Column("nonce", sa.Text, nullable=False),
        sa.Column("accepted_us", sa.BigInteger, nullable=False),
        sa.Column("import_number", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
