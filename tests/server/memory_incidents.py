"""Incidents in memory, for the store that keeps every port there."""

from collections.abc import Collection, Mapping, Sequence

from server.facts import NewFact
from server.incidents.decisions import Decision, Situation
from server.incidents.effects import touches
from server.incidents.incident_clocks import incident_clocks
from server.incidents.intervals import Span
from server.incidents.ports import MOST_PUBLIC, Ways
from server.incidents.record import Incident
from server.incidents.reminders import Reminder
from server.incidents.schedule import DueNote, Reckoning
from server.incidents.states import UNSETTLED
from server.incidents.states import State as IncidentState
from server.incidents.telling import entries, facts, incident_state, incident_subject, reminder_fact
from server.journal.acts import Act, State, Subject
from server.leases import Lease
from server.ledger.entry import NewEntry


class MemoryIncidents:
    """IncidentBook on dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self._incidents: dict[int, Incident] = {}
        self._references: dict[str, int] = {}
        self._dues: dict[int, list[DueNote]] = {}
        self._reminded: set[Reminder] = set()

    def _write_down(
        self, act: Act, subject: Subject, before: State | None, after: State | None
    ) -> None:
        raise NotImplementedError

    def append_facts(self, facts: Sequence[NewFact]) -> None:
        raise NotImplementedError

    def append_ledger(self, entries: Sequence[NewEntry], now_us: int) -> None:
        raise NotImplementedError

    def _require(self, lease: Lease) -> None:
        raise NotImplementedError

    async def store_time_us(self) -> int:
        raise NotImplementedError

    async def add_incident(self, decision: Decision, ways: Ways) -> Incident | None:
        number = len(self._incidents) + 1
        await self._decide_incident(Incident(number, ()), decision, ways)
        return self._incidents.get(number)

    async def take_incident_over(self, reference: str, decision: Decision, ways: Ways) -> Incident:
        known = self._references.get(reference)
        if known is not None:
            return await self._decide_incident(self._incidents[known], decision, ways)
        begun = await self.add_incident(decision, ways)
        assert begun is not None
        self._references[reference] = begun.incident_id
        return begun

    async def continue_incident(
        self, incident_id: int, decision: Decision, ways: Ways
    ) -> Incident | None:
        known = self._incidents.get(incident_id)
        return None if known is None else await self._decide_incident(known, decision, ways)

    async def incident(self, incident_id: int) -> Incident | None:
        return self._incidents.get(incident_id)

    async def list_incidents(
        self, after: int, limit: int, *, unsettled: bool = False
    ) -> Sequence[Incident]:
        return [
            one
            for one in self._incidents.values()
            if one.incident_id > after and (not unsettled or one.state in UNSETTLED)
        ][:limit]

    async def resolved_incidents(self, since_us: int) -> Sequence[Incident]:
        return [
            one
            for one in self._incidents.values()
            if one.state is IncidentState.RESOLVED and one.history[-1].at_us >= since_us
        ]

    async def public_incidents(self, since_us: int) -> Sequence[Incident]:
        found = [
            one
            for one in self._incidents.values()
            if one.public and (one.state in UNSETTLED or one.history[-1].at_us >= since_us)
        ]
        return found[-MOST_PUBLIC:]

    async def incidents_affecting(self, span: Span) -> Sequence[Incident]:
        return [one for one in self._incidents.values() if touches(one, span)]

    async def due_notes(self, incident_ids: Collection[int]) -> Mapping[int, Sequence[DueNote]]:
        return {number: self._dues[number] for number in incident_ids if number in self._dues}

    async def remind(self, reminders: Sequence[Reminder], lease: Lease | None = None) -> int:
        if lease is not None:
            self._require(lease)
        ordered = sorted(reminders, key=lambda one: (one.incident_id, one.due))
        fresh = [
            one
            for one in dict.fromkeys(ordered)
            if one not in self._reminded and one.incident_id in self._incidents
        ]
        self._reminded.update(fresh)
        self.append_facts([reminder_fact(one, self._incidents[one.incident_id]) for one in fresh])
        return len(fresh)

    async def _decide_incident(self, known: Incident, decision: Decision, ways: Ways) -> Incident:
        if ways.lease is not None:
            self._require(ways.lease)
        before = known if known.history else None
        number = known.incident_id
        others = [one for one in self._incidents.values() if one.state in UNSETTLED]
        beside = [one for one in others if one.incident_id != number]
        added = tuple(decision(Situation(await self.store_time_us(), before, beside)))
        if not added:
            return known
        after = known._replace(history=(*known.history, *added))
        reckoning = Reckoning(ways.schedule, self._dues.get(number, ()))
        incident_clocks(after, reckoning)
        self._dues.setdefault(number, []).extend(reckoning.fresh)
        self._incidents[number] = after
        self.append_facts(facts(known.history, after))
        self.append_ledger(entries(known.history, after), await self.store_time_us())
        was = None if before is None else incident_state(before)
        self._write_down(ways.act, incident_subject(number), was, incident_state(after))
        return after
