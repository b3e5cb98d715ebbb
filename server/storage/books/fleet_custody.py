"""In whose hands keys are: read for who asks, and judged anew with everything that bears on it.

Alarms lie in `fleet_alarm`, each with its reason. What they mean for health lies where all of
health is searched: as a fault of the key, and in its level.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple, TypeVar

from sqlalchemy import delete, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from server.facts import NewFact
from server.fleet.absorbing import as_report
from server.fleet.custody import (
    LOST_RULE,
    SHARED_RULE,
    Alarm,
    Custody,
    Witness,
    alarms,
    sharers,
    told,
)
from server.fleet.health import RULES, judge_health
from server.fleet.holders import Holder, HolderClaim, HolderKind
from server.fleet.intake import Intake
from server.fleet.ports import Sighting
from server.storage.books.fleet_rows import LEVELS, claim_of, holder_of, key_of
from server.storage.books.steps import among
from server.storage.schema import (
    fleet_alarm,
    fleet_claim,
    fleet_fault,
    fleet_holder,
    fleet_host,
    fleet_key,
    fleet_sighting,
)

Item = TypeVar("Item")

PIECE = 500
"""Keys in one statement."""

_LEVEL = {rule.name: LEVELS[rule.level] for rule in RULES if rule.name in {SHARED_RULE, LOST_RULE}}


class Moved(NamedTuple):
    """Sightings that a batch of reports adds, or moves to a later day. fresh: key and host."""

    keys: frozenset[str] = frozenset()
    fresh: frozenset[tuple[str, str]] = frozenset()


NOTHING = Moved()


async def custodies(
    connection: AsyncConnection, seen: Mapping[str, Sequence[Sighting]]
) -> Mapping[str, Custody]:
    """Return who has each of these keys, by their sightings."""
    if not seen:
        return {}
    ids = sorted(seen)
    holders = await holders_of(connection, ids)
    claims = await claims_of(connection, ids)
    standing = await alarms_of(connection, ids)
    found = {}
    for key_id, sightings in seen.items():
        holder = holders.get(key_id)
        witnesses = [
            Witness(one.host_id, one.person, one.person_after, one.last_day) for one in sightings
        ]
        persons = tuple(sorted(one.person for one in sharers(holder, witnesses).values()))
        lost = (one.party for one in standing.get(key_id, ()) if one.rule == LOST_RULE)
        custody = Custody(holder, claims.get(key_id, ()), persons, tuple(sorted(lost)))
        found[key_id] = custody
    return found


async def holders_of(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Holder]:
    """Return the holders of these keys, by id."""
    found = select(fleet_holder).where(fleet_holder.c.key_id.in_(ids))
    return {row.key_id: holder_of(row) for row in await connection.execute(found)}


async def claims_of(
    connection: AsyncConnection, ids: Sequence[str]
) -> dict[str, tuple[HolderClaim, ...]]:
    """Return the claims about these keys that wait, by id."""
    waiting = select(fleet_claim).where(fleet_claim.c.key_id.in_(ids), fleet_claim.c.waits)
    found: dict[str, tuple[HolderClaim, ...]] = {}
    for row in await connection.execute(waiting.order_by(fleet_claim.c.host_id)):
        found[row.key_id] = (*found.get(row.key_id, ()), claim_of(row))
    return found


async def moved_sightings(connection: AsyncConnection, intake: Intake) -> Moved:
    """Return what sightings of a batch bear on custody, before they are written.

    Hosts that are nobody's, and keys that are not lost, cost one look at the registry.
    """
    lost = await lost_among(connection, {key_id for key_id, _ in intake.seen})
    watched = [
        (key_id, host_id)
        for key_id, host_id in intake.seen
        if intake.hosts[host_id].person or key_id in lost
    ]
    before: dict[tuple[str, str], str] = {}
    table = fleet_sighting.c
    for piece in pieces(watched):
        known = select(table.key_id, table.host_id, table.last_day).where(
            tuple_(table.key_id, table.host_id).in_(piece)
        )
        for row in await connection.execute(known):
            before[row.key_id, row.host_id] = row.last_day
    return Moved(
        frozenset(
            pair[0] for pair in watched if before.get(pair, "") < intake.seen[pair].last.isoformat()
        ),
        frozenset(pair for pair in watched if pair not in before),
    )


async def watched_holders(
    connection: AsyncConnection, ids: Collection[str]
) -> Mapping[str, Holder]:
    """Return the holders of these keys at which a day that moves on may begin an alarm: few."""
    table = fleet_holder.c
    found: dict[str, Holder] = {}
    for piece in pieces(sorted(ids)):
        some = or_(table.kind == HolderKind.LOST.value, table.after != "")
        watched = select(fleet_holder).where(among(connection, table.key_id, piece), some)
        found |= {row.key_id: holder_of(row) for row in await connection.execute(watched)}
    return found


async def judge_custody(
    connection: AsyncConnection, ids: Collection[str], today: date, moved: Moved = NOTHING
) -> list[NewFact]:
    """Judge these keys anew after something that bears on who has them; return what to tell."""
    facts: list[NewFact] = []
    for piece in pieces(sorted(ids)):
        holders = await holders_of(connection, piece)
        witnesses = await _witnesses(connection, piece, holders)
        standing = await alarms_of(connection, piece)
        begun, ended = [], []
        for key_id in piece:
            holder, seen_by = holders.get(key_id), witnesses.get(key_id, [])
            before = frozenset(standing.get(key_id, ()))
            fresh = frozenset(
                one.host_id for one in seen_by if (key_id, one.host_id) in moved.fresh
            )
            now = alarms(holder, seen_by, fresh=fresh, before=before)
            facts += told(key_id, holder, seen_by, before=before, now=now)
            begun += [{"key_id": key_id, **one._asdict()} for one in now - before]
            ended += [(key_id, *one) for one in before - now]
        await _keep(connection, begun, ended)
        await mark_alarms(connection, piece)
        await _unmark(connection, {key_id for key_id, _, _ in ended}, today)
    return facts


async def mark_alarms(connection: AsyncConnection, ids: Collection[str]) -> None:
    """Put the alarms of these keys where health is searched, after their health was written.

    With the levels that ship; a job judges the key by what the organisation wants.
    """
    for piece in pieces(sorted(ids)):
        faults = [
            {"rule": rule, "key_id": key_id}
            for key_id, standing in (await alarms_of(connection, piece)).items()
            for rule in {one.rule for one in standing}
        ]
        if not faults:
            continue
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        await connection.execute(insert(fleet_fault).on_conflict_do_nothing(), faults)
        marked = fleet_key.c.key_id.in_({one["key_id"] for one in faults})
        await connection.execute(update(fleet_key).where(marked).values(rulebook=""))
        for rule, level in _LEVEL.items():
            keys = [one["key_id"] for one in faults if one["rule"] == rule]
            raised = update(fleet_key).where(fleet_key.c.key_id.in_(keys))
            await connection.execute(raised.where(fleet_key.c.level < level).values(level=level))


async def _unmark(connection: AsyncConnection, ids: Collection[str], today: date) -> None:
    """Take faults away whose reason is over, and find what is the worst of a key now."""
    if not ids:
        return
    left = await alarms_of(connection, sorted(ids))
    found = select(fleet_key).where(fleet_key.c.key_id.in_(sorted(ids)))
    for row in list(await connection.execute(found)):
        rules = {one.rule for one in left.get(row.key_id, ())}
        over = delete(fleet_fault).where(fleet_fault.c.key_id == row.key_id)
        await connection.execute(over.where(fleet_fault.c.rule.in_(_LEVEL.keys() - rules)))
        worst = judge_health(as_report(key_of(row)), today).worst
        level = max([LEVELS[worst], *(_LEVEL[rule] for rule in rules)])
        now = update(fleet_key).where(fleet_key.c.key_id == row.key_id)
        await connection.execute(now.values(level=level, rulebook=""))


async def _keep(
    connection: AsyncConnection,
    begun: Sequence[Mapping[str, str]],
    ended: Sequence[tuple[str, ...]],
) -> None:
    table = fleet_alarm.c
    for piece in pieces(ended):
        over = tuple_(table.key_id, table.rule, table.party).in_(piece)
        await connection.execute(delete(fleet_alarm).where(over))
    if begun:
        await connection.execute(fleet_alarm.insert(), begun)


async def alarms_of(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, list[Alarm]]:
    """Return the alarms that stand at these keys, by id, of those that have any."""
    found = select(fleet_alarm).where(fleet_alarm.c.key_id.in_(ids))
    standing: dict[str, list[Alarm]] = {}
    for row in await connection.execute(found):
        standing.setdefault(row.key_id, []).append(Alarm(row.rule, row.party))
    return standing


async def lost_among(connection: AsyncConnection, ids: Collection[str]) -> frozenset[str]:
    """Return those of these keys that are called lost."""
    lost: set[str] = set()
    for piece in pieces(sorted(ids)):
        found = select(fleet_holder.c.key_id).where(fleet_holder.c.key_id.in_(piece))
        found = found.where(fleet_holder.c.kind == HolderKind.LOST.value)
        lost |= set((await connection.execute(found)).scalars())
    return frozenset(lost)


async def _witnesses(
    connection: AsyncConnection, ids: Sequence[str], holders: Mapping[str, Holder]
) -> dict[str, list[Witness]]:
    """Return the hosts that saw these keys: those that are somebody's; of lost keys, all."""
    lost = [one.key_id for one in holders.values() if one.kind is HolderKind.LOST]
    host, table = fleet_host.c, fleet_sighting.c
    found = (
        select(table.key_id, table.host_id, table.last_day, host.person, host.person_after)
        .join(fleet_host, host.host_id == table.host_id)
        .where(table.key_id.in_(ids), or_(host.person != "", table.key_id.in_(lost)))
    )
    witnesses: dict[str, list[Witness]] = {}
    for row in await connection.execute(found):
        one = Witness(row.host_id, row.person, row.person_after, row.last_day)
        witnesses.setdefault(row.key_id, []).append(one)
    return witnesses


def pieces(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Yield items in pieces that a statement takes."""
    for at in range(0, len(items), PIECE):
        yield items[at : at + PIECE]
