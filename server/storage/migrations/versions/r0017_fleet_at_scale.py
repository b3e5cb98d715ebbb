"""A million keys: found through an index whatever is asked for, and judged when it is time.

Tables are made anew, so that their columns stand in an order of use (schema.py says why).
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0013"
branch_labels = None
depends_on = None

_Id = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
_OLD_INDEXES = {
    "fleet_key": ("fleet_key_by_serial", "fleet_key_by_firmware", "fleet_key_by_level"),
    "fleet_fault": ("fleet_fault_by_key",),
}
# A version is one number, three figures for each of its parts. Without a digest, the next report of
# a key is looked at whatever it says: that of which day its facts are is noted in another way.
_KEYS = """
INSERT INTO fleet_key (
  key_id, serial, firmware, firmware_minor, firmware_major, line, level, first_seen, last_seen,
  said, judged, due, host_id, digest, changes, facts, unreadable)
SELECT key_id, serial, firmware, firmware / 1000, firmware / 1000000, '', level, first_seen,
  last_seen, last_seen, judged, '', host_id,
  SUBSTR(digest, 1, 0), changes, facts, unreadable
FROM old_fleet_key
"""
_FAULTS = """
INSERT INTO fleet_fault (rule, key_id, level, firmware, firmware_minor, firmware_major)
SELECT f.rule, f.key_id, k.level, k.firmware, k.firmware_minor, k.firmware_major
FROM old_fleet_fault AS f JOIN fleet_key AS k ON k.key_id = f.key_id
"""


def upgrade() -> None:
    """Make the tables of keys and faults anew; the job that judges fills in what is not known."""
    postgres = op.get_bind().dialect.name == "postgresql"
    for table, indexes in _OLD_INDEXES.items():
        for index in indexes:
            op.drop_index(index, table)
        if postgres:  # names of constraints are the schema's
            op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {table}_pkey TO old_{table}_pkey")
        op.rename_table(table, f"old_{table}")
    _create_keys()
    _create_faults()
    for statement in (_KEYS, _FAULTS):
        op.execute(statement)
    for table in _OLD_INDEXES:
        op.drop_table(f"old_{table}")
    _create_indexes()
    if postgres:
        op.execute("ALTER TABLE fleet_host SET (fillfactor = 70)")


def _create_keys() -> None:
    op.create_table(
        "fleet_key",
        sa.Column("key_id", _Id, primary_key=True),
        sa.Column("serial", sa.BigInteger),
        sa.Column("firmware", sa.BigInteger),
        sa.Column("firmware_minor", sa.BigInteger),
        sa.Column("firmware_major", sa.BigInteger),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.Column("first_seen", sa.Text, nullable=False),
        sa.Column("last_seen", sa.Text, nullable=False),
        sa.Column("said", sa.Text, nullable=False),
        sa.Column("judged", sa.Text, nullable=False),
        sa.Column("due", sa.Text),
        sa.Column("host_id", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("changes", sa.Integer, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("unreadable", sa.Text, nullable=False),
        postgresql_with={"fillfactor": 85},
    )


def _create_faults() -> None:
    op.create_table(
        "fleet_fault",
        sa.Column("rule", sa.Text, primary_key=True),
        sa.Column("key_id", _Id, primary_key=True),
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.Column("firmware", sa.BigInteger),
        sa.Column("firmware_minor", sa.BigInteger),
        sa.Column("firmware_major", sa.BigInteger),
        sqlite_with_rowid=False,
    )


def _create_indexes() -> None:
    op.create_index("fleet_key_by_serial", "fleet_key", ["serial"])
    op.create_index("fleet_key_counted", "fleet_key", ["level", "line", "firmware"])
    op.create_index("fleet_key_by_due", "fleet_key", ["due"])
    op.create_index("fleet_host_by_state", "fleet_host", ["state"])
    op.create_index("fleet_fault_by_key", "fleet_fault", ["key_id"])
    for table, first in (("fleet_key", []), ("fleet_fault", ["rule"])):
        op.create_index(f"{table}_by_level", table, [*first, "level", "key_id"])
        for name in ("firmware", "minor", "major"):
            column = name if name == "firmware" else f"firmware_{name}"
            op.create_index(f"{table}_by_{name}", table, [*first, column, "key_id"])
            together = [*first, "level", column, "key_id"]
            op.create_index(f"{table}_by_level_{name}", table, together)
