"""Maintenance in the store: histories that only grow, each step decided within its transaction."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.incidents.intervals import Span
from server.journal.acts import Act, Deed
from server.ledger.entry import Kind, NewEntry
from server.maintenance.decisions import Decision, Situation
from server.maintenance.plan import Component, Maintenance, Plan, Record, Step
from server.maintenance.ports import MOST_PUBLIC
from server.maintenance.states import (
    maintenance_state,
    maintenance_subject,
    record_fact,
    record_payload,
)
from server.storage.books.fact_book import append_facts
from server.storage.books.journal_book import record
from server.storage.books.ledger_book import append_ledger
from server.storage.books.sequences import next_number
from server.storage.books.transactions import Transactions
from server.storage.schema import MAINTENANCE_SEQUENCE, sequence
from server.storage.schema import maintenance_record as table

_US = 1_000_000


class SqlMaintenanceBook:
    """Keeps `server.maintenance.ports.MaintenanceBook`."""

    _transactions: Transactions

    async def add_maintenance(self, decision: Decision, *, act: Act) -> Maintenance:
        """Begin a history under a number never used before."""
        async with self._transactions.writing() as connection:
            # Its row stays locked until the commit: decisions are made one after the other.
            maintenance_id = await next_number(connection, MAINTENANCE_SEQUENCE)
            none = Maintenance(maintenance_id, ())
            return await self._append(connection, none, decision, act)

    async def continue_maintenance(
        self, maintenance_id: int, decision: Decision, *, act: Act
    ) -> Maintenance | None:
        """Append to a history; None when there is none with this number."""
        async with self._transactions.writing() as connection:
            turn = select(sequence).where(sequence.c.name == MAINTENANCE_SEQUENCE)
            await connection.execute(turn.with_for_update())
            found = await histories_of(connection, table.c.maintenance_id == maintenance_id)
            if not found:
                return None
            return await self._append(connection, found[0], decision, act)

    async def maintenance(self, maintenance_id: int) -> Maintenance | None:
        """Return one with its history."""
        async with self._transactions.reading() as connection:
            found = await histories_of(connection, table.c.maintenance_id == maintenance_id)
            return found[0] if found else None

    async def list_maintenance(self, after: int, limit: int) -> Sequence[Maintenance]:
        """Return up to `limit` with a number beyond `after`, in order."""
        page = select(table.c.maintenance_id).where(table.c.maintenance_id > after).distinct()
        page = page.order_by(table.c.maintenance_id).limit(limit)
        async with self._transactions.reading() as connection:
            return await histories_of(connection, table.c.maintenance_id.in_(page))

    async def public_maintenance(self, since_s: int) -> Sequence[Maintenance]:
        """Return the newest that were announced and end after `since_s` by any of their plans."""
        told = select(table.c.maintenance_id).where(table.c.step == Step.ANNOUNCE.value)
        newest = _ending_after(since_s).where(table.c.maintenance_id.in_(told))
        newest = newest.order_by(table.c.maintenance_id.desc()).limit(MOST_PUBLIC)
        async with self._transactions.reading() as connection:
            return await histories_of(connection, table.c.maintenance_id.in_(newest))

    async def _append(
        self, connection: AsyncConnection, known: Maintenance, decision: Decision, act: Act
    ) -> Maintenance:
        now_us = await self._transactions.now_us(connection)
        number = known.maintenance_id
        beside = table.c.maintenance_id.in_(_ending_after(now_us // _US))
        others = await histories_of(connection, beside & (table.c.maintenance_id != number))
        before = known if known.history else None
        added = tuple(decision(Situation(now_us, before, others)))
        after = Maintenance(number, (*known.history, *added))
        rows = [_row(number, at, one) for at, one in enumerate(after.history, 1)]
        await connection.execute(insert(table), rows[len(known.history) :])
        was = None if before is None else maintenance_state(before)
        deed = Deed(act, maintenance_subject(number), was, maintenance_state(after))
        told = [fact for one in added if (fact := record_fact(after, one)) is not None]
        await append_facts(self._transactions.now_us, connection, told)
        entries = [NewEntry(Kind.MAINTENANCE, str(number), record_payload(one)) for one in added]
        await append_ledger(self._transactions.now_us, connection, entries)
        await record(self._transactions.now_us, connection, deed)
        return after


def _ending_after(since_s: int) -> Select[Any]:
    """Select the numbers of those that end after `since_s` by any of their plans."""
    latest = func.max(table.c.end_s)
    number = table.c.maintenance_id
    return select(number).group_by(number).having(latest > since_s)


async def histories_of(
    connection: AsyncConnection, which: ColumnElement[bool]
) -> list[Maintenance]:
    """Return whole histories, by number."""
    ordered = select(table).where(which).order_by(table.c.maintenance_id, table.c.number)
    histories: dict[int, list[Record]] = {}
    for row in await connection.execute(ordered):
        histories.setdefault(row.maintenance_id, []).append(_record(row))
    return [Maintenance(number, tuple(records)) for number, records in histories.items()]


def _row(maintenance_id: int, number: int, one: Record) -> dict[str, object]:
    component, title, span = one.plan
    return {
        "maintenance_id": maintenance_id,
        "number": number,
        "step": one.step.value,
        "at_us": one.at_us,
        "component": component.value,
        "title": title,
        "start_s": span.start,
        "end_s": span.end,
    }


def _record(row: Row[Any]) -> Record:
    plan = Plan(Component(row.component), row.title, Span(row.start_s, row.end_s))
    return Record(Step(row.step), row.at_us, plan)
