"""The fleet: hosts with an agent, the keys that they saw, and what changed at them."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_Id = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Create the tables and the sequence of tokens."""
    op.create_table(
        "fleet_token",
        sa.Column("token_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("host_name", sa.Text, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
        sa.Column("replaces", sa.Boolean, nullable=False),
        sa.Column("host_id", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fleet_host",
        sa.Column("host_id", _Id, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("system", sa.Text, nullable=False),
        sa.Column("release", sa.Text, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("software", sa.Text, nullable=False),
        sa.Column("enrolled_us", sa.BigInteger, nullable=False),
        sa.Column("reported_us", sa.BigInteger),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("report_id", sa.Text, nullable=False),
        sa.Column("dropped", sa.BigInteger, nullable=False),
        sa.Column("missing", sa.BigInteger, nullable=False),
        sa.Column("clashes", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("fleet_host_by_name", "fleet_host", ["folded"])
    op.create_table(
        "fleet_key",
        sa.Column("key_id", _Id, primary_key=True),
        sa.Column("serial", sa.BigInteger),
        sa.Column("firmware", sa.BigInteger),
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("unreadable", sa.Text, nullable=False),
        sa.Column("first_seen", sa.Text, nullable=False),
        sa.Column("last_seen", sa.Text, nullable=False),
        sa.Column("judged", sa.Text, nullable=False),
        sa.Column("host_id", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("changes", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("fleet_key_by_serial", "fleet_key", ["serial"])
    op.create_index("fleet_key_by_firmware", "fleet_key", ["firmware", "key_id"])
    op.create_index("fleet_key_by_level", "fleet_key", ["level", "key_id"])
    op.create_table(
        "fleet_fault",
        sa.Column("rule", sa.Text, primary_key=True),
        sa.Column("key_id", _Id, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("fleet_fault_by_key", "fleet_fault", ["key_id"])
    op.create_table(
        "fleet_sighting",
        sa.Column("key_id", _Id, primary_key=True),
        sa.Column("host_id", _Id, primary_key=True),
        sa.Column("first_day", sa.Text, nullable=False),
        sa.Column("last_day", sa.Text, nullable=False),
        sa.Column("attached", sa.Boolean),
        sqlite_with_rowid=False,
    )
    op.create_index("fleet_sighting_by_host", "fleet_sighting", ["host_id", "key_id"])
    op.create_table(
        "fleet_change",
        sa.Column("key_id", _Id, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("host_id", sa.Text, nullable=False),
        sa.Column("fact", sa.Text, nullable=False),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("after", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    sequence = sa.table("sequence", sa.column("name", sa.Text), sa.column("last", sa.BigInteger))
    op.bulk_insert(sequence, [{"name": "fleet_token", "last": 0}])
