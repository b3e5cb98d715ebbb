"""Which keys are looked for: their ids, page by page, in order, each from an index that begins so.

Rule, level and firmware have an index for every one of their combinations, with the id at its end.
A firmware that is not said in full stands for the versions that there are of it, each of which
gives its own part of the page. A serial number and a host's name stand for some keys that are known
beforehand; of those the ones are kept that the rest fits.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.report import Identity, serial_hash
from server.fleet.absorbing import key_id_of
from server.fleet.host_name import folded
from server.fleet.hosts import HostState
from server.fleet.policy import SERIAL_KEY
from server.fleet.ports import Search
from server.storage.books.fleet_rows import LEVELS, firmware_range
from server.storage.books.steps import among
from server.storage.schema import fleet_fault, fleet_host, fleet_key, fleet_sighting, meta

_MOST_VERSIONS = 64
"""Versions asked for by themselves. A laptop can make up more: then keys are looked through."""

_CANDIDATES = 500


async def found_ids(
    connection: AsyncConnection, search: Search, after: str, limit: int
) -> list[str]:
    """Return the ids of up to `limit` keys that are looked for, beyond `after`, in order."""
    if search.serial is None and search.host_name is None:
        return await _page(connection, search, after, limit)
    found: list[str] = []
    async for ids in _candidates(connection, search, after):
        found += await _fitting(connection, search, ids)
        if len(found) >= limit:
            break
    return found[:limit]


async def _page(connection: AsyncConnection, search: Search, after: str, limit: int) -> list[str]:
    versions: Sequence[int | None] = [None]
    if search.firmware:
        versions = await _versions(connection, search.firmware)
    if len(versions) > _MOST_VERSIONS:
        key_id = _table(search).c.key_id
        wanted = select(key_id).where(*_conditions(search), key_id > after, *_range(search))
        ordered = wanted.order_by(key_id).limit(limit)
        return list((await connection.execute(ordered)).scalars())
    parts = [_part(search, version, after, limit) for version in versions]
    if not parts:
        return []
    if len(parts) == 1:
        return list((await connection.execute(parts[0])).scalars())
    together = union_all(*(select(part.subquery()) for part in parts)).subquery()
    ordered = select(together.c.key_id).order_by(together.c.key_id).limit(limit)
    return list((await connection.execute(ordered)).scalars())


def _part(search: Search, version: int | None, after: str, limit: int) -> Select[Any]:
    """Return a page of the keys with one firmware, or with whichever."""
    table = _table(search).c
    wanted = select(table.key_id).where(*_conditions(search), table.key_id > after)
    if version is not None:
        wanted = wanted.where(table.firmware == version)
    return wanted.order_by(table.key_id).limit(limit)


def _table(search: Search) -> Any:  # noqa: ANN401 - one of two tables with these columns
    return fleet_key if search.rule is None else fleet_fault


def _conditions(search: Search) -> list[ColumnElement[bool]]:
    table, conditions = _table(search).c, []
    if search.rule is not None:
        conditions.append(table.rule == search.rule)
    if search.level is not None:
        conditions.append(table.level == LEVELS[search.level])
    return conditions


def _range(search: Search) -> list[ColumnElement[bool]]:
    if not search.firmware:
        return []
    first, below = firmware_range(search.firmware)
    table = _table(search).c
    return [table.firmware >= first, table.firmware < below]


async def _versions(connection: AsyncConnection, beginning: tuple[int, ...]) -> list[int]:
    """Return the versions that begin so and that a key has, one more than the most at the most.

    From one to the next in the index: as many steps as there are versions.
    """
    at, below = firmware_range(beginning)
    column = fleet_key.c.firmware
    versions: list[int] = []
    while len(versions) <= _MOST_VERSIONS:
        following = select(column).where(column >= at, column < below).order_by(column).limit(1)
        found: int | None = (await connection.execute(following)).scalar_one_or_none()
        if found is None:
            break
        versions.append(found)
        at = found + 1
    return versions


async def _candidates(
    connection: AsyncConnection, search: Search, after: str
) -> AsyncIterator[list[str]]:
    """Yield ids that serial number and host allow, beyond `after`, in order."""
    allowed: list[str] | None = None
    if search.serial is not None:
        allowed = sorted(await _of_serial(connection, search.serial))
    if search.host_name is None:
        yield [key_id for key_id in allowed or () if key_id > after]
        return
    hosts = select(fleet_host.c.host_id).where(
        fleet_host.c.folded == folded(search.host_name),
        fleet_host.c.state != HostState.ERASED.value,
    )
    host_ids = list((await connection.execute(hosts)).scalars())
    seen = fleet_sighting.c
    while host_ids:
        page = select(seen.key_id).where(among(connection, seen.host_id, host_ids))
        page = page.where(seen.key_id > after).order_by(seen.key_id).limit(_CANDIDATES).distinct()
        if allowed is not None:
            page = page.where(among(connection, seen.key_id, allowed))
        ids = list((await connection.execute(page)).scalars())
        yield ids
        if len(ids) < _CANDIDATES:
            break
        after = ids[-1]


async def _of_serial(connection: AsyncConnection, serial: int) -> list[str]:
    """Return what a key with this number is called: by the number, or by the hash of it."""
    ids = [key_id_of(Identity(serial=serial), "")]
    kept = select(meta.c.value).where(meta.c.name == SERIAL_KEY)
    serial_key = (await connection.execute(kept)).scalar_one_or_none()
    if serial_key is not None:
        hashed = Identity(serial_hash=serial_hash(bytes.fromhex(serial_key), serial))
        ids.append(key_id_of(hashed, ""))
    return ids


async def _fitting(connection: AsyncConnection, search: Search, ids: Sequence[str]) -> list[str]:
    """Return those of these keys that the rest of a search fits, in order."""
    table = _table(search).c
    wanted = select(table.key_id).where(among(connection, table.key_id, ids))
    wanted = wanted.where(*_conditions(search), *_range(search)).order_by(table.key_id)
    return list((await connection.execute(wanted)).scalars())
