"""The ledger with its checkpoints, what probers found, and what was counted rolled up."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_NO_HASH = bytes(32)


def upgrade() -> None:
    """Create the tables, and the ledger's head where no entry is yet."""
    op.create_table(
        "ledger",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("previous", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("salt", sa.LargeBinary),
        sa.Column("payload", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_index("ledger_by_subject", "ledger", ["kind", "subject", "sequence"])
    head = op.create_table(
        "ledger_head",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("id = 1", name="ledger_has_one_head"),
        sqlite_with_rowid=False,
    )
    op.bulk_insert(head, [{"id": 1, "sequence": 0, "hash": _NO_HASH}])
    op.create_table(
        "ledger_checkpoint",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.Column("key_id", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "probe_minute",
        sa.Column("minute", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("good", sa.Integer, nullable=False),
        sa.Column("bad", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    _create_uptime()
    sequence = sa.table("sequence", sa.column("name", sa.Text), sa.column("last", sa.BigInteger))
    op.bulk_insert(sequence, [{"name": "ledger_checkpoint", "last": 0}])


def _create_uptime() -> None:
    op.create_table(
        "uptime_segment",
        sa.Column("client_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("first_day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("end_day", sa.Integer, nullable=False),
        sa.Column("days", sa.Text, nullable=False),
        sa.Column("seen", sa.LargeBinary, nullable=False),
        sa.Column("exceptions", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "uptime_day",
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("segments", sa.Integer, nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("min_requests", sa.Integer, nullable=False),
        sa.Column("notice_s", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
