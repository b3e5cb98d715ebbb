"""Incidents: their histories, due instants as they were computed, and what was reminded of."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and their sequence."""
    op.create_table(
        "incident",
        sa.Column("incident_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("reference", sa.Text, unique=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("is_public", sa.Boolean, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.Column("effect_start_s", sa.BigInteger),
        sa.Column("effect_end_s", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "incident_record",
        _incident(),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("author_kind", sa.Text, nullable=False),
        sa.Column("author_name", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("detail", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "incident_due",
        _incident(),
        sa.Column("clock", sa.Text, primary_key=True),
        sa.Column("severity", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("start_s", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("due_s", sa.BigInteger),
        sa.Column("calendar", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "incident_reminder",
        _incident(),
        sa.Column("clock", sa.Text, primary_key=True),
        sa.Column("start_s", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("due_s", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("moment", sa.Text, primary_key=True),
        sa.Column("told_us", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    sequence = sa.table("sequence", sa.column("name", sa.Text), sa.column("last", sa.BigInteger))
    op.bulk_insert(sequence, [{"name": "incident", "last": 0}])


def _incident() -> sa.Column[int]:
    key = sa.ForeignKey("incident.incident_id")
    return sa.Column("incident_id", sa.BigInteger, key, primary_key=True)
