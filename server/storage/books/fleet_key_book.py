"""Keys of the fleet as people look for them."""

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.fleet.ports import FleetKey, NotedChange, Search, Sighting
from server.storage.books.fleet_custody import custodies
from server.storage.books.fleet_rows import key_of, read_value
from server.storage.books.fleet_search import found_ids
from server.storage.books.steps import among
from server.storage.books.transactions import Transactions
from server.storage.schema import (
    fleet_change,
    fleet_host,
    fleet_key,
    fleet_sighting,
)


class SqlFleetKeyBook:
    """Keeps the reading of keys of `server.fleet.ports.FleetBook`."""

    _transactions: Transactions

    async def fleet_keys(self, search: Search, after: str, limit: int) -> Sequence[FleetKey]:
        """Return up to `limit` keys with an id beyond `after`, in order."""
        async with self._transactions.reading() as connection:
            ids = await found_ids(connection, search, after, limit)
            page = select(fleet_key).where(among(connection, fleet_key.c.key_id, ids))
            return await _keys(connection, page.order_by(fleet_key.c.key_id))

    async def fleet_key(self, key_id: str) -> FleetKey | None:
        """Return a key."""
        async with self._transactions.reading() as connection:
            one = select(fleet_key).where(fleet_key.c.key_id == key_id)
            found = await _keys(connection, one)
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


async def _keys(connection: AsyncConnection, wanted: Select[Any]) -> list[FleetKey]:
    """Return keys with their sightings. Others have a turn after each: a page takes a second."""
    rows = list(await connection.execute(wanted))
    seen = (
        select(fleet_sighting, fleet_host.c.name, fleet_host.c.person, fleet_host.c.person_after)
        .join(fleet_host, fleet_host.c.host_id == fleet_sighting.c.host_id)
        .where(among(connection, fleet_sighting.c.key_id, [row.key_id for row in rows]))
        .order_by(fleet_sighting.c.last_day.desc(), fleet_sighting.c.host_id)
    )
    sightings: dict[str, list[Sighting]] = {row.key_id: [] for row in rows}
    for row in await connection.execute(seen):
        sightings[row.key_id].append(
            Sighting(
                row.host_id,
                row.name,
                row.first_day,
                row.last_day,
                row.attached,
                row.person,
                row.person_after,
            )
        )
    custody = await custodies(connection, sightings)
    keys = []
    for row in rows:
        keys.append(FleetKey(key_of(row), sightings[row.key_id], custody[row.key_id]))
        await asyncio.sleep(0)  # each takes as long as a verification
    return keys
