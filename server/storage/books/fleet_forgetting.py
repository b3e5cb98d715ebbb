"""What a host said of keys, forgotten: its sightings, keys of it alone, and its name beside facts.

In pieces: a host may have brought more keys than a statement takes.
"""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.fleet.absorbing import as_report, without_host
from server.fleet.health import judge_health
from server.storage.books.fleet_rows import LEVELS, firmware_of, key_of, write_facts
from server.storage.schema import fleet_change, fleet_fault, fleet_key, fleet_sighting

_PIECE = 500


async def forget_sightings(connection: AsyncConnection, host_id: str, today: date) -> None:
    """Remove a host's sightings, and with them keys that no other host saw."""
    mine = fleet_sighting.c.host_id == host_id
    while True:
        piece = select(fleet_sighting.c.key_id).where(mine).limit(_PIECE)
        ids = list((await connection.execute(piece)).scalars())
        if not ids:
            return
        these = fleet_sighting.c.key_id.in_(ids)
        await connection.execute(delete(fleet_sighting).where(mine, these))
        elsewhere = select(fleet_sighting.c.key_id).where(these).distinct()
        others = set((await connection.execute(elsewhere)).scalars())
        gone = [key_id for key_id in ids if key_id not in others]
        for table in (fleet_fault, fleet_change, fleet_key):
            await connection.execute(delete(table).where(table.c.key_id.in_(gone)))
        await _withdraw(connection, host_id, sorted(others), today)


async def _withdraw(
    connection: AsyncConnection, host_id: str, ids: Sequence[str], today: date
) -> None:
    """Take a host's word and name out of keys that others saw as well, and judge them anew."""
    rows = list(await connection.execute(select(fleet_key).where(fleet_key.c.key_id.in_(ids))))
    for row in rows:
        key = without_host(key_of(row), host_id)
        health = judge_health(as_report(key), today)
        values = {
            "facts": write_facts(key),
            "firmware": firmware_of(key),
            "level": LEVELS[health.worst],
            "host_id": "" if row.host_id == host_id else row.host_id,
            "rulebook": "",
        }
        one = fleet_key.c.key_id == row.key_id
        await connection.execute(update(fleet_key).where(one).values(values))
        await connection.execute(delete(fleet_fault).where(fleet_fault.c.key_id == row.key_id))
        rules = sorted({fault.rule.name for fault in health.faults})
        faults = [{"rule": rule, "key_id": row.key_id} for rule in rules]
        if faults:
            await connection.execute(insert(fleet_fault), faults)
    nameless = update(fleet_change).where(fleet_change.c.key_id.in_(ids))
    await connection.execute(nameless.where(fleet_change.c.host_id == host_id).values(host_id=""))
