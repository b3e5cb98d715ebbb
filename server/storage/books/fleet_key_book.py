"""Keys of the fleet as people look for them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.report import Identity, serial_hash
from server.fleet.absorbing import key_id_of
from server.fleet.hosts import HostState
from server.fleet.policy import SERIAL_KEY
from server.fleet.ports import FleetKey, NotedChange, Search, Sighting
from server.storage.books.fleet_rows import LEVELS, firmware_range, key_of, read_value
from server.storage.books.transactions import Transactions
from server.storage.schema import (
    fleet_change,
    fleet_fault,
    fleet_host,
    fleet_key,
    fleet_sighting,
    meta,
)


class SqlFleetKeyBook:
    """Keeps the reading of keys of `server.fleet.ports.FleetBook`."""

    _transactions: Transactions

    async def fleet_keys(self, search: Search, after: str, limit: int) -> Sequence[FleetKey]:
        """Return up to `limit` keys with an id beyond `after`, in order."""
        async with self._transactions.reading() as connection:
            page = (await keys_wanted(connection, search)).where(fleet_key.c.key_id > after)
            page = page.order_by(fleet_key.c.key_id).limit(limit)
            return await find_keys(connection, page)

    async def fleet_key(self, key_id: str) -> FleetKey | None:
        """Return a key."""
        async with self._transactions.reading() as connection:
            one = select(fleet_key).where(fleet_key.c.key_id == key_id)
            found = await find_keys(connection, one)
            return found[0] if found else None

    async def key_changes(self, key_id: str, before: int, limit: int) -> Sequence[NotedChange]:
        """Return up to `limit` changes of a key, the newest first, numbered below `before`."""
        page = select(fleet_change).where(
            fleet_change.c.key_id == key_id, fleet_change.c.number < before
        )
        page = page.order_by(fleet_change.c.number.desc()).limit(limit)
        async with self._transactions.reading() as connection:
            return [
                NotedChange(
                    row.number,
                    row.at_us,
                    row.host_id,
                    row.fact,
                    read_value(row.before),
                    read_value(row.after),
                )
                for row in await connection.execute(page)
            ]


async def keys_wanted(connection: AsyncConnection, search: Search) -> Select[Any]:
    """Return a statement for the rows of `fleet_key` that are looked for."""
    wanted = _wanted(search)
    if search.serial is None:
        return wanted
    return wanted.where(await _of_serial(connection, search.serial))


def _wanted(search: Search) -> Select[Any]:
    wanted = select(fleet_key)
    if search.firmware:
        first, below = firmware_range(search.firmware)
        wanted = wanted.where(fleet_key.c.firmware >= first, fleet_key.c.firmware < below)
    if search.level is not None:
        wanted = wanted.where(fleet_key.c.level == LEVELS[search.level])
    if search.rule is not None:
        faulty = select(fleet_fault.c.key_id).where(fleet_fault.c.rule == search.rule)
        wanted = wanted.where(fleet_key.c.key_id.in_(faulty))
    if search.host_name is not None:
        seen = select(fleet_sighting.c.key_id).join(
            fleet_host, fleet_host.c.host_id == fleet_sighting.c.host_id
        )
        seen = seen.where(
            fleet_host.c.folded == search.host_name.casefold(),
            fleet_host.c.state != HostState.ERASED.value,
        )
        wanted = wanted.where(fleet_key.c.key_id.in_(seen))
    return wanted


async def _of_serial(connection: AsyncConnection, serial: int) -> ColumnElement[bool]:
    """Return what the key with this number has: the number, or the hash of it for a name."""
    kept = select(meta.c.value).where(meta.c.name == SERIAL_KEY)
    serial_key = (await connection.execute(kept)).scalar_one_or_none()
    plain = fleet_key.c.serial == serial
    if serial_key is None:
        return plain
    hashed = Identity(serial_hash=serial_hash(bytes.fromhex(serial_key), serial))
    return or_(plain, fleet_key.c.key_id == key_id_of(hashed, ""))


async def find_keys(connection: AsyncConnection, wanted: Select[Any]) -> list[FleetKey]:
    """Return keys with where they were seen. wanted: rows of `fleet_key`, in their order."""
    rows = list(await connection.execute(wanted))
    seen = (
        select(fleet_sighting, fleet_host.c.name)
        .join(fleet_host, fleet_host.c.host_id == fleet_sighting.c.host_id)
        .where(fleet_sighting.c.key_id.in_([row.key_id for row in rows]))
        .order_by(fleet_sighting.c.last_day.desc(), fleet_sighting.c.host_id)
    )
    sightings: dict[str, list[Sighting]] = {}
    for row in await connection.execute(seen):
        sightings.setdefault(row.key_id, []).append(
            Sighting(row.host_id, row.name, row.first_day, row.last_day, row.attached)
        )
    return [FleetKey(key_of(row), sightings.get(row.key_id, [])) for row in rows]
