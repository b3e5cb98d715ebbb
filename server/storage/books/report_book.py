"""Reports in the store: histories that only grow, each step decided within its transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Table, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from server.journal.acts import Act, Deed
from server.journal.canonical import canonical
from server.leases import Lease
from server.reports.analysis import Analysis
from server.reports.regulatory import (
    Regime,
    RegulatoryRecord,
    RegulatoryReminder,
    RegulatoryStep,
)
from server.reports.regulatory_steps import RegulatoryDecision, RegulatoryScene
from server.reports.revisions import Report, ReportDecision, ReportRecord, ReportStep, Scene
from server.reports.states import (
    regulatory_entries,
    regulatory_facts,
    regulatory_state,
    regulatory_subject,
    reminder_fact,
    report_entries,
    report_facts,
    report_state,
    report_subject,
)
from server.storage.books.fact_book import append_facts
from server.storage.books.journal_book import record
from server.storage.books.lease_book import require_lease
from server.storage.books.ledger_book import append_ledger
from server.storage.books.transactions import Transactions
from server.storage.schema import (
    REPORT_SEQUENCE,
    regulatory_record,
    regulatory_reminder,
    report_record,
    sequence,
)


class SqlReportBook:
    """Keeps `server.reports.ports.ReportBook`."""

    _transactions: Transactions

    async def incident_report(self, incident_id: int) -> Report:
        """Return the report of an incident, with an empty history when there is none."""
        async with self._transactions.reading() as connection:
            return await _report(connection, incident_id)

    async def continue_report(
        self, incident_id: int, decision: ReportDecision, *, act: Act
    ) -> Report:
        """Append to a report."""
        async with self._transactions.writing() as connection:
            await _turn(connection)
            known = await _report(connection, incident_id)
            now_us = await self._transactions.now_us(connection)
            added = decision(Scene(now_us, known, str(act.actor), act.reason))
            number = len(known.history) + 1
            await connection.execute(
                insert(report_record).values(_report_row(incident_id, number, added))
            )
            clock = self._transactions.now_us
            await append_facts(clock, connection, report_facts(incident_id, added))
            await append_ledger(clock, connection, report_entries(incident_id, added))
            before = report_state(known.history[-1] if known.history else None)
            deed = Deed(act, report_subject(incident_id), before, report_state(added))
            await record(clock, connection, deed)
            return known._replace(history=(*known.history, added))

    async def regulatory_records(self, incident_id: int) -> Sequence[RegulatoryRecord]:
        """Return what was written down for authorities, in order."""
        async with self._transactions.reading() as connection:
            return await _regulatory(connection, incident_id)

    async def continue_regulatory(
        self, incident_id: int, reported_us: int, decision: RegulatoryDecision, *, act: Act
    ) -> Sequence[RegulatoryRecord]:
        """Append to it, and return all of it."""
        async with self._transactions.writing() as connection:
            await _turn(connection)
            known = await _regulatory(connection, incident_id)
            now_us = await self._transactions.now_us(connection)
            added = decision(RegulatoryScene(now_us, known, reported_us, str(act.actor)))
            await connection.execute(
                insert(regulatory_record).values(
                    incident_id=incident_id,
                    number=len(known) + 1,
                    regime=added.regime.value,
                    step=added.step.value,
                    at_us=added.at_us,
                    when_s=added.when_s,
                    author=added.by,
                    content=added.text,
                    stage=added.stage,
                    aware_s=added.aware_s,
                )
            )
            clock = self._transactions.now_us
            await append_facts(clock, connection, regulatory_facts(incident_id, added))
            await append_ledger(clock, connection, regulatory_entries(incident_id, added))
            before = regulatory_state(known[-1] if known else None)
            deed = Deed(act, regulatory_subject(incident_id), before, regulatory_state(added))
            await record(clock, connection, deed)
            return [*known, added]

    async def all_regulatory(self) -> Mapping[int, Sequence[RegulatoryRecord]]:
        """Return what was written down for authorities, by incident."""
        ordered = select(regulatory_record).order_by(
            regulatory_record.c.incident_id, regulatory_record.c.number
        )
        found: dict[int, list[RegulatoryRecord]] = {}
        async with self._transactions.reading() as connection:
            for row in await connection.execute(ordered):
                found.setdefault(row.incident_id, []).append(_record(row))
        return found

    async def remind_regulatory(
        self, reminders: Sequence[RegulatoryReminder], lease: Lease | None = None
    ) -> int:
        """Write a fact for each that was not told before; return of how many. LeaseLostError."""
        async with self._transactions.writing() as connection:
            if lease is not None:
                await require_lease(self._transactions.now_us, connection, lease)
            now_us = await self._transactions.now_us(connection)
            told = [
                reminder_fact(one)
                for one in sorted(reminders, key=lambda one: one[:4])
                if await _is_new(connection, one, now_us)
            ]
            await append_facts(self._transactions.now_us, connection, told)
            return len(told)


async def _is_new(connection: AsyncConnection, one: RegulatoryReminder, now_us: int) -> bool:
    dialect: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
    noted = dialect.insert(regulatory_reminder).values(
        incident_id=one.incident_id,
        regime=one.regime.value,
        stage=one.stage,
        due_s=one.due,
        moment=one.moment.value,
        told_us=now_us,
    )
    return (await connection.execute(noted.on_conflict_do_nothing())).rowcount > 0


async def _turn(connection: AsyncConnection) -> None:
    """Wait for the turn: its row stays locked until the commit, and steps are decided in order."""
    turn = select(sequence).where(sequence.c.name == REPORT_SEQUENCE)
    await connection.execute(turn.with_for_update())


async def _report(connection: AsyncConnection, incident_id: int) -> Report:
    rows = await _rows(connection, report_record, incident_id)
    return Report(incident_id, tuple(map(_report_record, rows)))


async def _regulatory(connection: AsyncConnection, incident_id: int) -> Sequence[RegulatoryRecord]:
    return [_record(row) for row in await _rows(connection, regulatory_record, incident_id)]


async def _rows(connection: AsyncConnection, table: Table, incident_id: int) -> Sequence[Row[Any]]:
    ordered = select(table).where(table.c.incident_id == incident_id).order_by(table.c.number)
    return (await connection.execute(ordered)).all()


def _report_row(incident_id: int, number: int, one: ReportRecord) -> dict[str, object]:
    return {
        "incident_id": incident_id,
        "number": number,
        "step": one.step.value,
        "at_us": one.at_us,
        "author": one.by,
        "reason": one.reason,
        "revision": one.revision,
        "content": canonical(one.analysis.state()).decode(),
    }


def _report_record(row: Row[Any]) -> ReportRecord:
    return ReportRecord(
        ReportStep(row.step),
        row.at_us,
        row.author,
        row.reason,
        row.revision,
        Analysis.model_validate_json(row.content),
    )


def _record(row: Row[Any]) -> RegulatoryRecord:
    return RegulatoryRecord(
        Regime(row.regime),
        RegulatoryStep(row.step),
        row.at_us,
        row.when_s,
        row.author,
        row.content,
        row.stage,
        row.aware_s,
    )
