"""What the database keeps by itself: a fault's row has its key's level and firmware.

So a rule is looked for together with them through one index, and whoever writes keys or faults need
not think of it. A row of a key that is not there yet, as a restored one may be, stays as it came.
"""

from sqlalchemy import DDL, MetaData, event

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


def with_triggers(metadata: MetaData) -> None:
    """Make the triggers whenever the tables of `metadata` are made."""
    for dialect, statements in (("sqlite", _SQLITE), ("postgresql", _POSTGRES)):
        for statement in statements:
            made = DDL(statement)  # type: ignore[no-untyped-call] # SQLAlchemy's
            made = made.execute_if(dialect=dialect)
            event.listen(metadata, "after_create", made)
