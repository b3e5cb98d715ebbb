"""Notices: what was told to whom, and what became of it."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and its sequence."""
    op.create_table(
        "delivery",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("delivery_id", sa.Text, nullable=False, unique=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("occasion", sa.Text, nullable=False),
        sa.Column("subject_kind", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("way", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("customer_id", sa.BigInteger),
        sa.Column("happened_us", sa.BigInteger, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("standing", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("next_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Index("delivery_by_standing", "standing", "next_us"),
        sa.Index("delivery_by_subject", "subject_kind", "subject_id", "number"),
        sqlite_with_rowid=False,
    )
    sequence = sa.table("sequence", sa.column("name", sa.Text), sa.column("last", sa.BigInteger))
    op.bulk_insert(sequence, [{"name": "delivery", "last": 0}])
