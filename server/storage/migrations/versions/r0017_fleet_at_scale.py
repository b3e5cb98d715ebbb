"""A million keys: found through an index whatever is asked for, and judged when it is time.

Tables are made anew, so that their columns stand in an order of use (schema.py says why).
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_Id = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
_OLD_INDEXES = {
    "fleet_key": (
        *("fleet_key_by_serial", "fleet_key_by_firmware", "fleet_key_by_level"),
        "fleet_key_by_rulebook",
    ),
    "fleet_fault": ("fleet_fault_by_key",),
}
# Without a digest, the next report of a key is looked at whatever it says: of which day its facts
# are is written in another way. And a key without a rulebook is judged by a job, its line as well.
_KEYS = """
INSERT INTO fleet_key (
  key_id, serial, firmware, line, level, first_seen, last_seen, said, whole, judged, due, host_id,
  digest, changes, rulebook, hits, facts, unreadable)
SELECT key_id, serial, firmware, '', level, first_seen, last_seen, last_seen, FALSE, judged,
  judged, host_id, SUBSTR(digest, 1, 0), changes, '', hits, facts, unreadable
FROM old_fleet_key
"""
_FAULTS = """
INSERT INTO fleet_fault (rule, key_id, level, firmware)
SELECT f.rule, f.key_id, k.level, k.firmware
FROM old_fleet_fault AS f JOIN fleet_key AS k ON k.key_id = f.key_id
"""
_SQLITE = (
    """CREATE TRIGGER fleet_fault_of_key AFTER INSERT ON fleet_fault BEGIN
UPDATE fleet_fault SET level = k.level, firmware = k.firmware FROM fleet_key AS k
WHERE k.key_id = new.key_id AND fleet_fault.rule = new.rule AND fleet_fault.key_id = new.key_id;
END""",
    """CREATE TRIGGER fleet_key_of_fault AFTER UPDATE OF level, firmware ON fleet_key
WHEN old.level IS NOT new.level OR old.firmware IS NOT new.firmware BEGIN
UPDATE fleet_fault SET level = new.level, firmware = new.firmware WHERE key_id = new.key_id;
END""",
)
_POSTGRES = (
    """CREATE OR REPLACE FUNCTION fleet_fault_of_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
SELECT COALESCE(k.level, NEW.level), COALESCE(k.firmware, NEW.firmware)
INTO NEW.level, NEW.firmware
FROM (SELECT 1) AS one LEFT JOIN fleet_key AS k ON k.key_id = NEW.key_id;
RETURN NEW;
END $$""",
    """CREATE TRIGGER fleet_fault_of_key BEFORE INSERT ON fleet_fault
FOR EACH ROW EXECUTE FUNCTION fleet_fault_of_key()""",
    """CREATE OR REPLACE FUNCTION fleet_key_of_fault() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
UPDATE fleet_fault SET level = NEW.level, firmware = NEW.firmware WHERE key_id = NEW.key_id;
RETURN NULL;
END $$""",
    """CREATE TRIGGER fleet_key_of_fault AFTER UPDATE OF level, firmware ON fleet_key
FOR EACH ROW
WHEN (OLD.level IS DISTINCT FROM NEW.level OR OLD.firmware IS DISTINCT FROM NEW.firmware)
EXECUTE FUNCTION fleet_key_of_fault()""",
)


def upgrade() -> None:
    """Make the tables of keys and faults anew."""
    postgres = op.get_bind().dialect.name == "postgresql"
    for table, indexes in _OLD_INDEXES.items():
        for index in indexes:
            op.drop_index(index, table)
        if postgres:  # names of constraints are the schema's
            op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {table}_pkey TO old_{table}_pkey")
        op.rename_table(table, f"old_{table}")
    _create_tables()
    for statement in (_KEYS, _FAULTS):
        op.execute(statement)
    for table in _OLD_INDEXES:
        op.drop_table(f"old_{table}")
    _create_indexes()
    for statement in _POSTGRES if postgres else _SQLITE:
        op.execute(statement)
    if postgres:
        op.execute("ALTER TABLE fleet_host SET (fillfactor = 70)")


def _create_tables() -> None:
    op.create_table(
        "fleet_key",
        sa.Column("key_id", _Id, primary_key=True),
        sa.Column("serial", sa.BigInteger),
        sa.Column("firmware", sa.BigInteger),
        sa.Column("line", sa.Text, nullable=False, server_default=""),
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.Column("first_seen", sa.Text, nullable=False),
        sa.Column("last_seen", sa.Text, nullable=False),
        sa.Column("said", sa.Text, nullable=False),
        sa.Column("whole", sa.Boolean, nullable=False),
        sa.Column("judged", sa.Text, nullable=False),
        sa.Column("due", sa.Text),
        sa.Column("host_id", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("changes", sa.Integer, nullable=False),
        sa.Column("rulebook", sa.Text, nullable=False, server_default=""),
        sa.Column("hits", sa.Text, nullable=False, server_default="{}"),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("unreadable", sa.Text, nullable=False),
        postgresql_with={"fillfactor": 85},
    )
    op.create_table(
        "fleet_fault",
        sa.Column("rule", sa.Text, primary_key=True),
        sa.Column("key_id", _Id, primary_key=True),
        sa.Column("level", sa.SmallInteger),
        sa.Column("firmware", sa.BigInteger),
        sqlite_with_rowid=False,
    )


def _create_indexes() -> None:
    op.create_index("fleet_key_by_serial", "fleet_key", ["serial"])
    op.create_index("fleet_key_counted", "fleet_key", ["level", "line", "firmware"])
    op.create_index("fleet_key_by_due", "fleet_key", ["due"])
    op.create_index("fleet_key_by_rulebook", "fleet_key", ["rulebook", "key_id"])
    op.create_index("fleet_host_by_state", "fleet_host", ["state"])
    op.create_index("fleet_fault_by_key", "fleet_fault", ["key_id"])
    for table, first in (("fleet_key", []), ("fleet_fault", ["rule"])):
        for named in (["level"], ["firmware"], ["level", "firmware"]):
            op.create_index(f"{table}_by_{'_'.join(named)}", table, [*first, *named, "key_id"])
