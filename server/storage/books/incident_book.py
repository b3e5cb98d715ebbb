"""Incidents in the store: histories that only grow, each step decided within its transaction."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from server.incidents.clocks import Clock
from server.incidents.decisions import Decision, Situation
from server.incidents.effects import reach
from server.incidents.incident_clocks import incident_clocks
from server.incidents.intervals import Span
from server.incidents.ports import MOST_PUBLIC, Ways
from server.incidents.record import Author, AuthorKind, Incident, Record
from server.incidents.record_json import read_detail, write_detail
from server.incidents.reminders import Reminder
from server.incidents.schedule import DueNote, Reckoning
from server.incidents.severity import Severity
from server.incidents.states import UNSETTLED, State, Step
from server.incidents.telling import (
    entries,
    facts,
    incident_state,
    incident_subject,
    reminder_fact,
)
from server.journal.acts import Deed
from server.journal.canonical import canonical, parse_object
from server.leases import Lease
from server.storage.books.fact_book import append_facts
from server.storage.books.journal_book import record as write_down
from server.storage.books.lease_book import require_lease
from server.storage.books.ledger_book import append_ledger
from server.storage.books.sequences import next_number
from server.storage.books.transactions import Transactions
from server.storage.schema import (
    INCIDENT_SEQUENCE,
    incident,
    incident_due,
    incident_record,
    incident_reminder,
    sequence,
)

_UNSETTLED = [state.value for state in UNSETTLED]


class SqlIncidentBook:
    """Keeps `server.incidents.ports.IncidentBook`."""

    _transactions: Transactions

    async def add_incident(self, decision: Decision, ways: Ways) -> Incident | None:
        """Begin a history under a number never used before; None when the decision was not to."""
        async with self._transactions.writing() as connection:
            await self._take_turn(connection, ways)
            return await self._begin_incident(connection, decision, ways, None)

    async def take_incident_over(self, reference: str, decision: Decision, ways: Ways) -> Incident:
        """Begin a history under a reference of somebody else's, or append to the one it has."""
        async with self._transactions.writing() as connection:
            await self._take_turn(connection, ways)
            found = await _histories(connection, incident.c.reference == reference)
            if found:
                return await self._go_on_with_incident(connection, found[0], decision, ways)
            begun = await self._begin_incident(connection, decision, ways, reference)
            if begun is None:
                raise LookupError("nothing was handed in under a reference that is new")
            return begun

    async def continue_incident(
        self, incident_id: int, decision: Decision, ways: Ways
    ) -> Incident | None:
        """Append to a history; None when there is none with this number."""
        async with self._transactions.writing() as connection:
            await self._take_turn(connection, ways)
            found = await _histories(connection, incident.c.incident_id == incident_id)
            if not found:
                return None
            return await self._go_on_with_incident(connection, found[0], decision, ways)

    async def incident(self, incident_id: int) -> Incident | None:
        """Return one with its history."""
        async with self._transactions.reading() as connection:
            found = await _histories(connection, incident.c.incident_id == incident_id)
            return found[0] if found else None

    async def list_incidents(
        self, after: int, limit: int, *, unsettled: bool = False
    ) -> Sequence[Incident]:
        """Return up to `limit` with a number beyond `after`, in order, or of what is unsettled."""
        page = select(incident.c.incident_id).where(incident.c.incident_id > after)
        if unsettled:
            page = page.where(incident.c.state.in_(_UNSETTLED))
        page = page.order_by(incident.c.incident_id).limit(limit)
        async with self._transactions.reading() as connection:
            return await _histories(connection, incident.c.incident_id.in_(page))

    async def resolved_incidents(self, since_us: int) -> Sequence[Incident]:
        """Return, in order, those that are resolved and were changed at `since_us` or later."""
        is_resolved = incident.c.state == State.RESOLVED.value
        async with self._transactions.reading() as connection:
            return await _histories(connection, is_resolved & (incident.c.changed_us >= since_us))

    async def public_incidents(self, since_us: int) -> Sequence[Incident]:
        """Return the newest that everybody may know: unsettled, or changed since then."""
        newest = select(incident.c.incident_id).where(
            incident.c.is_public,
            or_(incident.c.state.in_(_UNSETTLED), incident.c.changed_us >= since_us),
        )
        newest = newest.order_by(incident.c.incident_id.desc()).limit(MOST_PUBLIC)
        async with self._transactions.reading() as connection:
            return await _histories(connection, incident.c.incident_id.in_(newest))

    async def incidents_affecting(self, span: Span) -> Sequence[Incident]:
        """Return, in order, those with losses or amendments that touch a span of seconds."""
        ends = or_(incident.c.effect_end_s > span.start, incident.c.effect_end_s.is_(None))
        begins = incident.c.effect_start_s < span.end
        async with self._transactions.reading() as connection:
            return await _histories(connection, begins & ends)

    async def due_notes(self, incident_ids: Collection[int]) -> Mapping[int, Sequence[DueNote]]:
        """Return the due instants that were noted of incidents."""
        async with self._transactions.reading() as connection:
            return await _notes(connection, incident_ids)

    async def remind(self, reminders: Sequence[Reminder], lease: Lease | None = None) -> int:
        """Write a fact for each reminder that was not told before; return of how many."""
        async with self._transactions.writing() as connection:
            if lease is not None:
                await require_lease(self._transactions.now_us, connection, lease)
            now_us = await self._transactions.now_us(connection)
            numbers = {one.incident_id for one in reminders}
            found = await _histories(connection, incident.c.incident_id.in_(numbers))
            known = {one.incident_id: one for one in found}
            told = [
                reminder_fact(one, known[one.incident_id])
                for one in sorted(reminders, key=lambda one: (one.incident_id, one.due))
                if one.incident_id in known and await _is_new(connection, one, now_us)
            ]
            await append_facts(self._transactions.now_us, connection, told)
            return len(told)

    async def _take_turn(self, connection: AsyncConnection, ways: Ways) -> None:
        """Lock what all decisions on incidents lock: they are made one after the other."""
        if ways.lease is not None:
            await require_lease(self._transactions.now_us, connection, ways.lease)
        turn = select(sequence).where(sequence.c.name == INCIDENT_SEQUENCE)
        await connection.execute(turn.with_for_update())

    async def _begin_incident(
        self,
        connection: AsyncConnection,
        decision: Decision,
        ways: Ways,
        reference: str | None,
    ) -> Incident | None:
        situation = await self._incident_situation(connection, None)
        added = tuple(decision(situation))
        if not added:
            return None
        after = Incident(await next_number(connection, INCIDENT_SEQUENCE), added)
        await connection.execute(
            insert(incident).values(
                incident_id=after.incident_id, reference=reference, **_standing(after)
            )
        )
        await self._append_incident(connection, (), after, ways)
        return after

    async def _go_on_with_incident(
        self, connection: AsyncConnection, known: Incident, decision: Decision, ways: Ways
    ) -> Incident:
        added = tuple(decision(await self._incident_situation(connection, known)))
        if not added:
            return known
        after = known._replace(history=(*known.history, *added))
        this = incident.c.incident_id == known.incident_id
        await connection.execute(update(incident).where(this).values(**_standing(after)))
        await self._append_incident(connection, known.history, after, ways)
        return after

    async def _incident_situation(
        self, connection: AsyncConnection, known: Incident | None
    ) -> Situation:
        now_us = await self._transactions.now_us(connection)
        number = 0 if known is None else known.incident_id
        others = incident.c.state.in_(_UNSETTLED) & (incident.c.incident_id != number)
        return Situation(now_us, known, await _histories(connection, others))

    async def _append_incident(
        self, connection: AsyncConnection, before: Sequence[Record], after: Incident, ways: Ways
    ) -> None:
        number = after.incident_id
        rows = [_row(number, at, one) for at, one in enumerate(after.history, 1)]
        await connection.execute(insert(incident_record), rows[len(before) :])
        noted = await _notes(connection, [number])
        reckoning = Reckoning(ways.schedule, noted.get(number, ()))
        incident_clocks(after, reckoning)
        if reckoning.fresh:
            dues = [_due_row(number, note) for note in reckoning.fresh]
            await connection.execute(insert(incident_due), dues)
        clock = self._transactions.now_us
        await append_facts(clock, connection, facts(before, after))
        await append_ledger(clock, connection, entries(before, after))
        was = incident_state(after._replace(history=tuple(before))) if before else None
        deed = Deed(ways.act, incident_subject(number), was, incident_state(after))
        await write_down(clock, connection, deed)


async def _histories(connection: AsyncConnection, which: ColumnElement[bool]) -> list[Incident]:
    numbers = select(incident.c.incident_id).where(which)
    ordered = (
        select(incident_record)
        .where(incident_record.c.incident_id.in_(numbers))
        .order_by(incident_record.c.incident_id, incident_record.c.number)
    )
    histories: dict[int, list[Record]] = {}
    for row in await connection.execute(ordered):
        histories.setdefault(row.incident_id, []).append(_record(row))
    return [Incident(number, tuple(records)) for number, records in histories.items()]


async def _notes(
    connection: AsyncConnection, incident_ids: Collection[int]
) -> dict[int, list[DueNote]]:
    which = incident_due.c.incident_id.in_(sorted(incident_ids))
    found: dict[int, list[DueNote]] = {}
    for row in await connection.execute(select(incident_due).where(which)):
        note = DueNote(
            Clock(row.clock),
            Severity(row.severity),
            row.start_s,
            row.due_s,
            row.calendar,
            row.fingerprint,
        )
        found.setdefault(row.incident_id, []).append(note)
    return found


async def _is_new(connection: AsyncConnection, one: Reminder, now_us: int) -> bool:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    noted = dialect.insert(incident_reminder).values(
        incident_id=one.incident_id,
        clock=one.clock.value,
        start_s=one.start,
        due_s=one.due,
        moment=one.moment.value,
        told_us=now_us,
    )
    return (await connection.execute(noted.on_conflict_do_nothing())).rowcount > 0


def _standing(one: Incident) -> dict[str, object]:
    """Return what is looked for, as it follows from the records."""
    start, end = reach(one) or (None, None)
    return {
        "state": one.state.value,
        "is_public": one.public,
        "changed_us": one.history[-1].at_us,
        "effect_start_s": start,
        "effect_end_s": end,
    }


def _due_row(incident_id: int, note: DueNote) -> dict[str, object]:
    return {
        "incident_id": incident_id,
        "clock": note.clock.value,
        "severity": note.severity.value,
        "start_s": note.start,
        "due_s": note.due,
        "calendar": note.calendar,
        "fingerprint": note.fingerprint,
    }


def _row(incident_id: int, number: int, one: Record) -> dict[str, object]:
    detail = write_detail(one.detail)
    return {
        "incident_id": incident_id,
        "number": number,
        "step": one.step.value,
        "at_us": one.at_us,
        "author_kind": one.author.kind.value,
        "author_name": one.author.name,
        "text": one.text,
        "detail": None if detail is None else canonical(detail).decode(),
    }


def _record(row: Row[Any]) -> Record:
    step = Step(row.step)
    detail = None if row.detail is None else parse_object(row.detail.encode())
    author = Author(AuthorKind(row.author_kind), row.author_name)
    return Record(step, row.at_us, author, row.text, read_detail(step, detail))
