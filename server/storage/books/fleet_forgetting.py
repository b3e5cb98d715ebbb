"""Forgetting in the fleet: what a host said of keys, keys, and what facts told of either.

In pieces, each of a transaction of its own: a host may have brought ten thousand keys, and whoever
writes keeps verifications waiting on the embedded store.

Whoever is named at a key (beside a fact, in a dispute, at a change) has a sighting of it: by those
everything that names a host is found.
"""

import json
from collections.abc import Collection, Sequence
from datetime import date

from sqlalchemy import ColumnElement, Table, Update, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.fleet.absorbing import as_report, without_host
from server.fleet.forgotten import mark_of
from server.fleet.health import judge_health
from server.fleet.hosts import HostState
from server.fleet.policy import SERIAL_KEY
from server.storage.books.fleet_custody import judge_custody
from server.storage.books.fleet_rows import LEVELS, firmware_of, key_of, write_facts
from server.storage.schema import (
    fact,
    fleet_alarm,
    fleet_change,
    fleet_fault,
    fleet_forgotten,
    fleet_host,
    fleet_key,
    fleet_sighting,
    fleet_token,
    meta,
    metadata,
)

PIECE = 20
"""Keys that are forgotten in one transaction."""

FORGOTTEN = "fleet.forgotten"
"""What a fact becomes whose subject was forgotten: its place stays, for positions have no gaps."""

_SEEN = (fleet_alarm, fleet_fault, fleet_change, fleet_sighting, fleet_key)
"""What is known of keys from hosts. Who holds them is the organisation's word, and stays."""

_OWN = (*_SEEN, fleet_host, fleet_token)
"""Tables whose hosts are forgotten by more than deleting rows."""


async def forget_piece(connection: AsyncConnection, host_id: str, today: date) -> int:
    """Remove some sightings of a host, and with them keys that no other host saw.

    Return how many; 0 when there are none, and nothing names the host any more.
    """
    mine = fleet_sighting.c.host_id == host_id
    piece = select(fleet_sighting.c.key_id).where(mine).limit(PIECE)
    ids = list((await connection.execute(piece)).scalars())
    if not ids:
        for table in _naming("host_id", besides=_OWN):
            await connection.execute(delete(table).where(table.c.host_id == host_id))
        await hush_facts(connection, [host_id])
        return 0
    these = fleet_sighting.c.key_id.in_(ids)
    elsewhere = select(fleet_sighting.c.key_id).where(these, ~mine).distinct()
    others = set((await connection.execute(elsewhere)).scalars())
    await forget_keys(connection, [key_id for key_id in ids if key_id not in others])
    await _withdraw(connection, host_id, sorted(others), today)
    await connection.execute(delete(fleet_sighting).where(mine, these))
    # Nothing to tell: with a witness gone, alarms end and none begins.
    await judge_custody(connection, others, today)
    return len(ids)


async def forget_keys(connection: AsyncConnection, ids: Collection[str]) -> None:
    """Remove keys with all that hosts said of them, and what facts told of them."""
    if not ids:
        return
    seen = select(fleet_sighting.c.host_id).where(fleet_sighting.c.key_id.in_(ids)).distinct()
    hosts = list((await connection.execute(seen)).scalars())
    for table in _SEEN:
        await connection.execute(delete(table).where(table.c.key_id.in_(ids)))
    await hush_facts(connection, ids)
    # What was told of hosts may name a key beside them.
    told = select(fact).where(fact.c.subject.in_(hosts), fact.c.kind.like("fleet.%"))
    those = [
        row.position
        for row in await connection.execute(told)
        if json.loads(row.detail).get("key") in ids
    ]
    await connection.execute(_hush(fact.c.position.in_(those)))


async def erase_key_rows(connection: AsyncConnection, key_id: str, today: date) -> None:
    """Remove everything about a key, also what nobody reported, and note that it is forgotten."""
    for table in _naming("key_id", besides=_SEEN):
        await connection.execute(delete(table).where(table.c.key_id == key_id))
    await forget_keys(connection, [key_id])
    mark = mark_of(await organisation_key(connection), key_id)
    await connection.execute(delete(fleet_forgotten).where(fleet_forgotten.c.digest == mark))
    noted = {"digest": mark, "day": today.isoformat()}
    await connection.execute(insert(fleet_forgotten).values(noted))


async def forgotten_days(connection: AsyncConnection, ids: Collection[str]) -> dict[str, date]:
    """Return until which day keys are forgotten, of those that are."""
    if not ids:
        return {}
    secret = await organisation_key(connection)
    marks = {mark_of(secret, key_id): key_id for key_id in ids}
    found = select(fleet_forgotten).where(fleet_forgotten.c.digest.in_(sorted(marks)))
    rows = await connection.execute(found)
    return {marks[row.digest]: date.fromisoformat(row.day) for row in rows}


async def organisation_key(connection: AsyncConnection) -> bytes:
    """Return the key that serial numbers are hashed with; b"" before the door was ever open."""
    kept = select(meta.c.value).where(meta.c.name == SERIAL_KEY)
    return bytes.fromhex((await connection.execute(kept)).scalar_one_or_none() or "")


async def hush_facts(
    connection: AsyncConnection, subjects: Collection[str], *, naming: str = ""
) -> None:
    """Take what was told of these out of the facts. naming: only those that name this host."""
    told: list[ColumnElement[bool]] = [fact.c.subject.in_(subjects), fact.c.kind.like("fleet.%")]
    if naming:
        told.append(fact.c.detail.contains(naming, autoescape=True))
    await connection.execute(_hush(*told))


def _hush(*which: ColumnElement[bool]) -> Update:
    return update(fact).where(*which).values(kind=FORGOTTEN, subject="", detail="{}")


async def _withdraw(
    connection: AsyncConnection, host_id: str, ids: Sequence[str], today: date
) -> None:
    """Take a host's word and name out of keys that others saw as well, and judge them anew."""
    if not ids:
        return
    rows = list(await connection.execute(select(fleet_key).where(fleet_key.c.key_id.in_(ids))))
    for row in rows:
        key = without_host(key_of(row), host_id)
        health = judge_health(as_report(key), today)
        values = {
            "facts": write_facts(key),
            "firmware": firmware_of(key),
            "level": LEVELS[health.worst],
            "host_id": "" if row.host_id == host_id else row.host_id,
            "digest": b"",
            "due": today.isoformat(),
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
    await hush_facts(connection, ids, naming=host_id)


async def rests_on(connection: AsyncConnection, key_id: str) -> frozenset[str]:
    """Return the hosts that are named at a key: nobody's sighting of these is forgotten alone."""
    changed = select(fleet_change.c.host_id).where(fleet_change.c.key_id == key_id).distinct()
    named = set((await connection.execute(changed)).scalars())
    row = (await connection.execute(select(fleet_key).where(fleet_key.c.key_id == key_id))).first()
    if row is not None:
        named.add(row.host_id)
        for known in key_of(row).facts.values():
            named |= {known.host_id, *(claim.host_id for claim in known.others)}
    return frozenset(named - {""})


def erased_or_older(day: str) -> ColumnElement[bool]:
    """Return which sightings (joined with their hosts) are to go: old ones, and erased hosts'."""
    return or_(fleet_host.c.state == HostState.ERASED.value, fleet_sighting.c.last_day < day)


def _naming(column: str, *, besides: Collection[Table]) -> list[Table]:
    """Return the fleet's other tables with a column: whatever they are, they name the same."""
    return [
        table
        for name, table in metadata.tables.items()
        if name.startswith("fleet_") and column in table.c and table not in besides
    ]
