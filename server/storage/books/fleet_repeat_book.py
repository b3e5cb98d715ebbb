"""Reports that say what was said before, as nearly all do: taken with next to nothing written.

They are told apart first; what has news goes the way of `fleet_report_book`. Where the store has
one writer, they are read and decided on beside it and then written in one go, if nobody else wrote
meanwhile (`Transactions.write_if`): verifications wait for a few rows and a commit, and for nothing
that is read or thought about.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.report import Report
from server.fleet.custody import Witness, begins
from server.fleet.health import JUDGING, Judging
from server.fleet.holders import Holder
from server.fleet.intake import Intake, digests_of
from server.fleet.receipt import Receipt
from server.storage.books.fleet_custody import watched_holders
from server.storage.books.fleet_host_book import take_turn
from server.storage.books.fleet_repeat_steps import (
    LastSeen,
    Pair,
    later_steps,
    moved_sightings,
    reported_steps,
    seen_steps,
)
from server.storage.books.fleet_report_book import SqlFleetReportBook, hosts_of, standings_of
from server.storage.books.fleet_rows import day_of
from server.storage.books.steps import Step, execute


class _Together(NamedTuple):
    """How many reports of either kind are taken in one transaction."""

    repeats: int
    news: int


_WITH_ONE_WRITER = _Together(64, 4)
"""Verifications wait for the end of each: they feel every report that has news."""

_WITH_MANY_WRITERS = _Together(256, 32)
"""They wait for none, and each transaction costs a processor that they need as well."""


_TRIES = 3


class _Read(NamedTuple):
    """A report. place: among those that came together; digests: of its keys."""

    place: int
    report: Report
    digests: tuple[bytes, ...]


class _Decided(NamedTuple):
    receipts: dict[int, Receipt]
    steps: list[Step]


class SqlFleetRepeatBook(SqlFleetReportBook):
    """Keeps `take_reports` of `server.fleet.ports.FleetBook`, in the shorter way where it can."""

    async def take_reports(
        self, reports: Sequence[Report], judging: Judging = JUDGING
    ) -> Sequence[Receipt]:
        """Take reports whose signatures are right, in order, and say what became of each.

        In several transactions: after a failure some are stored, and whoever sends them again is
        told so.
        """
        receipts: dict[int, Receipt] = {}
        has_one_writer = self._transactions.mark() is not None
        together = _WITH_ONE_WRITER if has_one_writer else _WITH_MANY_WRITERS
        for start in range(0, len(reports), together.repeats):
            read = []
            for place in range(start, min(start + together.repeats, len(reports))):
                read.append(_Read(place, reports[place], digests_of(reports[place])))
                await asyncio.sleep(0)  # a report's digests take as long as a verification
            receipts |= await self._take_repeats(read)
            left = [one for one in read if one.place not in receipts]
            for first in range(0, len(left), together.news):
                piece = left[first : first + together.news]
                taken = await super().take_reports([one.report for one in piece], judging)
                receipts |= zip((one.place for one in piece), taken, strict=True)
        return [receipts[place] for place in range(len(reports))]

    async def _take_repeats(self, read: Sequence[_Read]) -> dict[int, Receipt]:
        """Take reports without news; return what became of those."""
        for _ in range(_TRIES):
            mark = self._transactions.mark()
            if mark is None:
                break
            async with self._transactions.reading() as connection:
                decided = await self._decide_repeats(connection, read)
            if not decided.steps or await self._transactions.write_if(mark, decided.steps):
                return decided.receipts
        async with self._transactions.writing() as connection:
            await take_turn(connection)
            decided = await self._decide_repeats(connection, read)
            await execute(connection, decided.steps)
            return decided.receipts

    async def _decide_repeats(self, connection: AsyncConnection, read: Sequence[_Read]) -> _Decided:
        reports = [one.report for one in read]
        now_us = await self._transactions.now_us(connection)
        standings = await standings_of(connection, reports)
        intake = Intake(await hosts_of(connection, reports), standings, {}, day_of(now_us))
        known = await _sightings(
            connection,
            [
                (key_id, report.host)
                for report in reports
                for key_id in intake.ids_of(report)
                if key_id in standings
            ],
        )
        custody = _Custody(intake, known, await watched_holders(connection, standings.keys()))
        receipts: dict[int, Receipt] = {}
        # What comes behind news, of the same host or about the same key, waits for them.
        waiting: set[str] = set()
        for place, report, digests in read:
            ids = intake.ids_of(report)
            if (
                not waiting.isdisjoint((report.host, *ids))
                or not intake.is_repeat(report, digests)
                or any((key_id, report.host) not in known for key_id in ids)
                or custody.may_change(report, day_of(now_us))
            ):
                waiting.update((report.host, *ids))
            else:
                receipts[place] = intake.take(report, digests)
        moved = moved_sightings(intake, known)
        steps = [*reported_steps(intake, now_us), *later_steps(intake), *seen_steps(moved)]
        return _Decided(receipts, steps)


class _Custody(NamedTuple):
    """What is known that bears on who has a key: a day that moves on may be news of that."""

    intake: Intake
    known: Mapping[Pair, LastSeen]
    holders: Mapping[str, Holder]

    def may_change(self, report: Report, today: date) -> bool:
        """Tell whether an alarm may begin with this report, whose sightings are known."""
        host = self.intake.hosts.get(report.host)
        if host is None:
            return False
        for key_id, key in zip(self.intake.ids_of(report), report.keys, strict=True):
            last_day = self.known[key_id, report.host].day
            witness = Witness(report.host, host.person, host.person_after, last_day)
            if begins(self.holders.get(key_id), witness, min(key.last_seen, today).isoformat()):
                return True
        return False


async def _sightings(connection: AsyncConnection, pairs: Sequence[Pair]) -> dict[Pair, LastSeen]:
    """Return those of these sightings that there are."""
    if not pairs:
        return {}
    if connection.dialect.name == "postgresql":
        keys, hosts = (list(column) for column in zip(*pairs, strict=True))
        asked = await connection.execute(_SIGHTINGS_POSTGRES, {"keys": keys, "hosts": hosts})
    else:
        asked = await connection.execute(_SIGHTINGS_SQLITE, {"pairs": json.dumps(pairs)})
    return {
        (row.key_id, row.host_id): LastSeen(
            row.last_day, None if row.attached is None else bool(row.attached)
        )
        for row in asked
    }


_SIGHTINGS_POSTGRES = text("""
SELECT s.key_id, s.host_id, s.last_day, s.attached
  FROM unnest(CAST(:keys AS text[]), CAST(:hosts AS text[])) AS asked (key_id, host_id)
  JOIN fleet_sighting AS s ON s.key_id = asked.key_id AND s.host_id = asked.host_id
""")
_SIGHTINGS_SQLITE = text("""
SELECT s.key_id, s.host_id, s.last_day, s.attached
  FROM json_each(:pairs) AS asked CROSS JOIN fleet_sighting AS s
    ON s.key_id = asked.value ->> 0 AND s.host_id = asked.value ->> 1
""")
