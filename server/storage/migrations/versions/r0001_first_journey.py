"""The first journey: clients with their API keys and budgets, keys with their counters."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_PUBLIC_ID = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Create the tables and start the sequences."""
    _create_clients()
    _create_keys()
    _create_installation()


def _create_clients() -> None:
    op.create_table(
        "client",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("signed_only", sa.Boolean, nullable=False),
        sa.Column("phishing_test", sa.Boolean, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("step_us", sa.BigInteger),
        sa.Column("slack_us", sa.BigInteger),
        sa.Column("day_step_us", sa.BigInteger),
        sa.Column("day_slack_us", sa.BigInteger),
        sa.Column("shadow", sa.Boolean),
        sa.Column("limit_reason", sa.Text),
        sa.Column("limit_expires_us", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "api_key",
        sa.Column("client_id", sa.BigInteger, sa.ForeignKey("client.id"), primary_key=True),
        sa.Column("key_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "budget",
        sa.Column("client_id", sa.BigInteger, sa.ForeignKey("client.id"), primary_key=True),
        sa.Column("bucket", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("burst_tat_us", sa.BigInteger, nullable=False),
        sa.Column("day_tat_us", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": 20},
    )


def _create_keys() -> None:
    op.create_table(
        "otp_key",
        sa.Column("accepted_us", sa.BigInteger, nullable=False),
        sa.Column("accepted_client", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("clock", sa.Integer, nullable=False),
        sa.Column("session", sa.SmallInteger, nullable=False),
        sa.Column("use", sa.SmallInteger, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("public_id", _PUBLIC_ID, primary_key=True),
        sa.Column("nonce", sa.Text, nullable=False),
        sa.CheckConstraint("session BETWEEN -1 AND 32767", name="session_of_15_bits"),
        sa.CheckConstraint("use BETWEEN -1 AND 255", name="use_of_8_bits"),
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": 85},
    )
    op.create_table(
        "otp_key_record",
        sa.Column("public_id", _PUBLIC_ID, primary_key=True),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.Column("serial", sa.Text, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _create_installation() -> None:
    sequence = op.create_table(
        "sequence",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("last", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "meta",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.bulk_insert(sequence, [{"name": "client", "last": 0}, {"name": "key_import", "last": 0}])
