"""Maintenance: what was announced, step by step."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and its sequence."""
    op.create_table(
        "maintenance_record",
        sa.Column("maintenance_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("component", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("start_s", sa.BigInteger, nullable=False),
        sa.Column("end_s", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    sequence = sa.table("sequence", sa.column("name", sa.Text), sa.column("last", sa.BigInteger))
    op.bulk_insert(sequence, [{"name": "maintenance", "last": 0}])
