"""Reports into the store: many in one transaction, each once."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, case, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.report import Report
from server.fleet.absorbing import as_report, key_id_of
from server.fleet.health import JUDGING, Judging
from server.fleet.hosts import Host
from server.fleet.intake import ChangedKey, Intake, Standing, news, unsighted_keys
from server.fleet.lines import line_word
from server.fleet.receipt import Receipt
from server.storage.books.fact_book import append_facts
from server.storage.books.fleet_changes import trim_changes
from server.storage.books.fleet_custody import judge_custody, mark_alarms, moved_sightings
from server.storage.books.fleet_forgetting import forgotten_days
from server.storage.books.fleet_host_book import take_turn
from server.storage.books.fleet_repeat_steps import later_steps
from server.storage.books.fleet_rows import (
    LEVELS,
    day_of,
    firmware_of,
    host_of,
    key_of,
    standing_of,
    write_facts,
    write_unreadable,
    write_value,
)
from server.storage.books.steps import among, execute
from server.storage.books.transactions import Transactions
from server.storage.schema import (
    fleet_change,
    fleet_fault,
    fleet_host,
    fleet_key,
    fleet_sighting,
)


class SqlFleetReportBook:
    """Keeps `take_reports` of `server.fleet.ports.FleetBook`."""

    _transactions: Transactions

    async def take_reports(
        self, reports: Sequence[Report], judging: Judging = JUDGING
    ) -> Sequence[Receipt]:
        """Take reports whose signatures are right, in order, and say what became of each."""
        if not reports:
            return ()

        async def work(connection: AsyncConnection) -> Sequence[Receipt]:
            await take_turn(connection)
            now_us = await self._transactions.now_us(connection)
            today = day_of(now_us)
            standings = await standings_of(connection, reports)
            sighted = await _sighted(connection, reports)
            intake = Intake(
                await hosts_of(connection, reports),
                standings,
                await _keys(connection, news(reports, standings, today)),
                today,
                await _brought(connection, reports, sighted),
                sighted=sighted,
                # Of known ones as well: who saw one later brought it back, and nobody's older word.
                forgotten=await forgotten_days(
                    connection,
                    {key_id_of(key.identity, one.host) for one in reports for key in one.keys},
                ),
                judging=judging,
            )
            receipts = [intake.take(report) for report in reports]
            moved = await moved_sightings(connection, intake)
            await _write_hosts(connection, intake, now_us)
            await _write_keys(connection, intake, now_us)
            await _write_sightings(connection, intake)
            told = intake.told + await judge_custody(connection, moved.keys, today, moved)
            await mark_alarms(connection, intake.changed.keys() - moved.keys)
            if told:
                await append_facts(self._transactions.now_us, connection, told)
            return receipts

        # Verifications may wait for the end of it: nothing of the service comes between its steps.
        return await self._transactions.in_one_go(work)


async def hosts_of(connection: AsyncConnection, reports: Sequence[Report]) -> dict[str, Host]:
    """Return the hosts of some reports, by id."""
    ids = sorted({report.host for report in reports})
    found = select(fleet_host).where(among(connection, fleet_host.c.host_id, ids))
    return {row.host_id: host_of(row) for row in await connection.execute(found)}


async def standings_of(
    connection: AsyncConnection, reports: Sequence[Report]
) -> dict[str, Standing]:
    """Return how the keys of some reports stand, by id, those that are known."""
    ids = {key_id_of(key.identity, report.host) for report in reports for key in report.keys}
    table = fleet_key.c
    short = select(
        *(table.key_id, table.digest, table.host_id, table.judged),
        *(table.last_seen, table.changes, table.said, table.whole),
    ).where(among(connection, table.key_id, sorted(ids)))
    return {row.key_id: standing_of(row) for row in await connection.execute(short)}


async def _sighted(
    connection: AsyncConnection, reports: Sequence[Report]
) -> frozenset[tuple[str, str]]:
    """Return which of the keys that are reported, and whose host saw it before: key and host."""
    keys = {key_id_of(key.identity, report.host) for report in reports for key in report.keys}
    seen = select(fleet_sighting.c.key_id, fleet_sighting.c.host_id).where(
        among(connection, fleet_sighting.c.key_id, sorted(keys)),
        among(connection, fleet_sighting.c.host_id, sorted({report.host for report in reports})),
    )
    return frozenset((row.key_id, row.host_id) for row in await connection.execute(seen))


async def _brought(
    connection: AsyncConnection, reports: Sequence[Report], sighted: frozenset[tuple[str, str]]
) -> dict[str, int]:
    """Return how many keys were seen by each host that reports one which it did not see before."""
    ids = sorted({report.host for report in reports if unsighted_keys(report, sighted)})
    if not ids:
        return {}
    host_id = fleet_sighting.c.host_id
    counted = select(host_id, func.count().label("keys")).group_by(host_id)
    counted = counted.where(among(connection, host_id, ids))
    return {row.host_id: row.keys for row in await connection.execute(counted)}


async def _keys(connection: AsyncConnection, ids: frozenset[str]) -> dict[str, Any]:
    if not ids:
        return {}
    whole = select(fleet_key).where(among(connection, fleet_key.c.key_id, sorted(ids)))
    return {row.key_id: key_of(row) for row in await connection.execute(whole)}


async def _write_hosts(connection: AsyncConnection, intake: Intake, now_us: int) -> None:
    this = fleet_host.c.host_id == bindparam("this")
    clashed = sorted(intake.clashed - intake.reported.keys())
    if clashed:
        counted = update(fleet_host).where(this).values(clashes=bindparam("count"))
        hosts = [{"this": host_id, "count": intake.hosts[host_id].clashes} for host_id in clashed]
        await connection.execute(counted, hosts)
    if not intake.reported:
        return
    rows = [
        _reported(intake.hosts[host_id], report, now_us)
        for host_id, report in sorted(intake.reported.items())
    ]
    names: dict[str, Any] = {name: bindparam(f"new_{name}") for name in _REPORTED}
    # One statement for all of them: most of what a report costs was to make it anew each time.
    await connection.execute(update(fleet_host).where(this).values(names), rows)


_REPORTED = (
    *("clashes", "system", "release", "agent", "software", "reported_us", "sequence"),
    *("report_id", "dropped", "missing", "altered"),
)


def _reported(host: Host, report: Report, now_us: int) -> dict[str, object]:
    software = json.dumps(dict(report.software), sort_keys=True)
    known = host._asdict() | {"software": software, "reported_us": now_us}
    return {"this": host.host_id, **{f"new_{name}": known[name] for name in _REPORTED}}


async def _write_keys(connection: AsyncConnection, intake: Intake, now_us: int) -> None:
    changed = intake.changed
    if changed:
        offer = _dialect(connection).insert(fleet_key)
        kept = {"key_id", "hits"}  # what is known of advisories stays until the key is judged anew
        columns = [column.name for column in fleet_key.c if column.name not in kept]
        anew: dict[str, Any] = {name: offer.excluded[name] for name in columns}
        # Who judges by another rulebook than the row's leaves it to whoever judges anew.
        same = fleet_key.c.rulebook == offer.excluded.rulebook
        anew["rulebook"] = case((same, offer.excluded.rulebook), else_="")
        await connection.execute(
            offer.on_conflict_do_update(index_elements=[fleet_key.c.key_id], set_=anew),
            [_row(changed[key_id]) for key_id in sorted(changed)],
        )
        old = delete(fleet_fault).where(fleet_fault.c.key_id.in_(sorted(changed)))
        await connection.execute(old)
    await execute(connection, later_steps(intake))
    faults = [
        {"rule": rule, "key_id": key_id} for key_id in changed for rule in changed[key_id].rules
    ]
    changes = [
        {
            "key_id": one.key_id,
            "number": one.number,
            "at_us": now_us,
            "host_id": one.host_id,
            "fact": one.change.fact,
            "before": write_value(one.change.before),
            "after": write_value(one.change.after),
        }
        for one in intake.changes
    ]
    for table, rows in ((fleet_fault, faults), (fleet_change, changes)):
        if rows:
            await connection.execute(insert(table), rows)
    for key_id in sorted({one.key_id for one in intake.changes}):
        hosts = {one.host_id for one in intake.changes if one.key_id == key_id}
        await trim_changes(connection, key_id, hosts, intake.changed[key_id].standing.changes)


def _row(changed: ChangedKey) -> Mapping[str, object]:
    key, standing = changed.key, changed.standing
    due = changed.due
    return {
        "key_id": key.key_id,
        "serial": key.serial,
        "firmware": firmware_of(key),
        "level": LEVELS[changed.worst],
        "facts": write_facts(key),
        "unreadable": write_unreadable(key),
        "first_seen": key.first_seen.isoformat(),
        "last_seen": key.last_seen.isoformat(),
        "said": key.said.isoformat(),
        "whole": standing.whole,
        "line": line_word(as_report(key)),
        "due": None if due is None else due.isoformat(),
        "judged": standing.judged.isoformat(),
        "host_id": standing.host_id,
        "digest": standing.digest,
        "changes": standing.changes,
        "rulebook": changed.rulebook,
    }


async def _write_sightings(connection: AsyncConnection, intake: Intake) -> None:
    if not intake.seen:
        return
    offer = _dialect(connection).insert(fleet_sighting)
    table, new = fleet_sighting.c, offer.excluded
    # Only what is another one is written: most reports see what was seen an hour ago.
    stale = (table.last_day < new.last_day) | table.attached.is_distinct_from(new.attached)
    latest = case((table.last_day > new.last_day, table.last_day), else_=new.last_day)
    added = offer.on_conflict_do_update(
        index_elements=[table.key_id, table.host_id],
        set_={"last_day": latest, "attached": new.attached},
        where=stale,
    )
    rows = [
        {
            "key_id": key_id,
            "host_id": host_id,
            "first_day": seen.first.isoformat(),
            "last_day": seen.last.isoformat(),
            "attached": seen.attached,
        }
        for (key_id, host_id), seen in sorted(intake.seen.items(), key=lambda one: one[0])
    ]
    await connection.execute(added, rows)


def _dialect(connection: AsyncConnection) -> Any:  # noqa: ANN401 - two modules of one shape
    return sqlite if connection.dialect.name == "sqlite" else postgresql
