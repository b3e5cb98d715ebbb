"""Maintenance in memory, for the store that keeps every port there."""

from collections.abc import Sequence

from server.facts import NewFact
from server.journal.acts import Act, State, Subject
from server.ledger.entry import Kind, NewEntry
from server.maintenance.decisions import Decision, Situation
from server.maintenance.plan import Maintenance
from server.maintenance.ports import MOST_PUBLIC
from server.maintenance.states import (
    maintenance_state,
    maintenance_subject,
    record_fact,
    record_payload,
)


class MemoryMaintenance:
    """MaintenanceBook on a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self._maintenances: dict[int, Maintenance] = {}

    def _write_down(
        self, act: Act, subject: Subject, before: State | None, after: State | None
    ) -> None:
        raise NotImplementedError

    def append_facts(self, facts: Sequence[NewFact]) -> None:
        raise NotImplementedError

    async def store_time_us(self) -> int:
        raise NotImplementedError

    def append_ledger(self, entries: Sequence[NewEntry], now_us: int) -> None:
        raise NotImplementedError

    async def add_maintenance(self, decision: Decision, *, act: Act) -> Maintenance:
        return await self._decide(Maintenance(len(self._maintenances) + 1, ()), decision, act)

    async def continue_maintenance(
        self, maintenance_id: int, decision: Decision, *, act: Act
    ) -> Maintenance | None:
        known = self._maintenances.get(maintenance_id)
        return None if known is None else await self._decide(known, decision, act)

    async def maintenance(self, maintenance_id: int) -> Maintenance | None:
        return self._maintenances.get(maintenance_id)

    async def list_maintenance(self, after: int, limit: int) -> Sequence[Maintenance]:
        return [one for number, one in sorted(self._maintenances.items()) if number > after][:limit]

    async def public_maintenance(self, since_s: int) -> Sequence[Maintenance]:
        found = [one for one in self._ending_after(since_s) if one.public]
        return found[-MOST_PUBLIC:]

    def _ending_after(self, since_s: int) -> list[Maintenance]:
        return [
            one
            for _, one in sorted(self._maintenances.items())
            if max(record.plan.span.end for record in one.history) > since_s
        ]

    async def _decide(self, known: Maintenance, decision: Decision, act: Act) -> Maintenance:
        now_us = await self.store_time_us()
        number = known.maintenance_id
        others = [one for one in self._ending_after(0) if one.maintenance_id != number]
        before = known if known.history else None
        added = decision(Situation(now_us, before, others))
        after = known._replace(history=(*known.history, *added))
        was = None if before is None else maintenance_state(before)
        entries = [NewEntry(Kind.MAINTENANCE, str(number), record_payload(one)) for one in added]
        self.append_ledger(entries, now_us)
        told = [record_fact(after, one) for one in added]
        self.append_facts([fact for fact in told if fact is not None])
        self._write_down(act, maintenance_subject(number), was, maintenance_state(after))
        self._maintenances[number] = after
        return after
