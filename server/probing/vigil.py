"""What the prober does while the server is away: it opens the incident, and keeps its history.

The history has the true times and authors, and goes to the server when that is back. From then on
both know it; when the server says that it is mitigated or over, the prober lets go of it.
"""

import json
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol

from server.clock import Clock
from server.incidents.components import Component
from server.incidents.incident_clocks import IncidentClock, incident_clocks
from server.incidents.instants import write_instant
from server.incidents.record import (
    Author,
    AuthorKind,
    Incident,
    Opening,
    Origin,
    Record,
    Update,
)
from server.incidents.record_json import read_record, write_record
from server.incidents.reminders import Moment, Reminder, reminders
from server.incidents.schedule import Reckoning, Schedule
from server.incidents.severity import Situation, propose
from server.incidents.states import State, Step, step
from server.probing.standing import Standing

TITLE: Final = "Validation does not answer as it should"
LETS_GO: Final = frozenset({State.MITIGATED, State.RESOLVED, State.DISMISSED})

MOST_RECORDS: Final = 150
"""Beyond, only people's records are added: a service that comes and goes fills no history."""

_REFERENCE_OCTETS: Final = 16
_CURRENT: Final = "incident"
_US: Final = 1_000_000


class RecordSpool(Protocol):
    """Keeps histories and a few values durably; several processes may have it open."""

    def get(self, name: str) -> str | None:
        """Return a value, None when there is none."""
        ...

    def put(self, name: str, value: str) -> None:
        """Keep a value."""
        ...

    def add_record(self, reference: str, value: str) -> int:
        """Append to a history."""
        ...

    def records(self, reference: str) -> Sequence[str]:
        """Return a history, in order."""
        ...

    def forget_records(self, reference: str) -> None:
        """Forget a history."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """Do several things at once, alone, or none of them."""
        ...


class Local(NamedTuple):
    """The incident that the prober keeps. failing: how the service stood when last looked at.

    incident_id: its number on the server, 0 before it was handed in.
    """

    reference: str
    failing: bool
    incident_id: int
    history: tuple[Record, ...]

    @property
    def incident(self) -> Incident:
        """All of it, as the server would have it."""
        return Incident(self.incident_id, self.history)


class Vigil:
    """Keeps one incident at a time. prober: who writes; schedule: by which its clocks run."""

    def __init__(
        self,
        spool: RecordSpool,
        *,
        prober: str,
        clock: Clock,
        schedule: Schedule,
        token_hex: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self._spool = spool
        self._author = Author(AuthorKind.PROBER, prober)
        self._clock = clock
        self._schedule = schedule
        self._token_hex = token_hex

    def local(self) -> Local | None:
        """Return the incident, None while there is none."""
        text = self._spool.get(_CURRENT)
        if not text:
            return None
        reference, failing, incident_id = json.loads(text)
        history = (read_record(json.loads(one)) for one in self._spool.records(reference))
        return Local(reference, failing, incident_id, tuple(history))

    def consider(self, standing: Standing, *, away: bool) -> None:
        """Open an incident, or note how it goes. away: the server takes nothing now.

        While the server takes what is found it opens incidents by itself.
        """
        with self._spool.writing():
            local = self.local()
            if local is None:
                if standing.failing and away:
                    self._open(standing)
            elif local.failing != standing.failing:
                self._keep(local._replace(failing=standing.failing))
                back = "The service answers rightly again."
                text = f"It fails again: {standing.why}." if standing.failing else back
                self._note(local, text)

    def acknowledge(self, person: str, text: str = "") -> Local:
        """Take the incident on; StepRefusedError, LookupError without one."""
        return self._add(Step.ACKNOWLEDGED, _person(person), text)

    def tell(self, person: str, text: str) -> Local:
        """Tell everybody something; it is on the pages that the prober writes."""
        return self._add(Step.UPDATE, _person(person), text, Update(public=True))

    def note(self, text: str) -> None:
        """Write down what the prober did."""
        with self._spool.writing():
            local = self.local()
            if local is not None:
                self._note(local, text)

    def clocks(self, local: Local) -> Sequence[IncidentClock]:
        """Return the clocks of the incident."""
        return incident_clocks(local.incident, Reckoning(self._schedule))

    def remind(self) -> Sequence[Reminder]:
        """Note what is due soon, or was missed, once each; return what is new."""
        with self._spool.writing():
            local = self.local()
            if local is None:
                return ()
            noted = {record.text for record in local.history}
            now_s = self._clock.now_us() // _US
            found = reminders(local.incident_id, self.clocks(local), now_s)
            fresh = [one for one in found if reminder_words(one) not in noted]
            for one in fresh:
                self._note(local, reminder_words(one))
            return fresh

    def handed_in(self, reference: str, incident_id: int, state: State) -> None:
        """Note what the server made of it, and let go of what it has in hand or is over."""
        with self._spool.writing():
            local = self.local()
            if local is None or local.reference != reference:
                return
            if state in LETS_GO and not local.failing:
                self._spool.put(_CURRENT, "")
                self._spool.forget_records(reference)
            elif local.incident_id != incident_id:
                self._keep(local._replace(incident_id=incident_id))

    def _open(self, standing: Standing) -> None:
        now_us = self._clock.now_us()
        proposal = propose(Situation(unavailable=True))
        opening = Opening(
            component=Component.VALIDATION,
            title=TITLE,
            origin=Origin.PROBE,
            severity=proposal.severity,
            sentence=proposal.sentence,
            reported_us=now_us,
        )
        local = Local(self._token_hex(_REFERENCE_OCTETS), standing.failing, 0, ())
        began = write_instant(standing.since_us // _US)
        text = f"Rounds fail since {began}: {standing.why}. The server takes no report either."
        self._keep(local)
        self._append(local, Record(Step.OPENED, now_us, self._author, text, opening))

    def _add(self, taken: Step, author: Author, text: str, detail: Update | None = None) -> Local:
        with self._spool.writing():
            local = self.local()
            if local is None:
                raise LookupError("there is no incident here: the server has all of them")
            step(local.incident.state, taken)
            self._append(local, Record(taken, self._now_us(local), author, text, detail))
            kept = self.local()
            return kept or local

    def _note(self, local: Local, text: str) -> None:
        if len(local.history) < MOST_RECORDS:
            self._append(local, Record(Step.NOTE, self._now_us(local), self._author, text))

    def _now_us(self, local: Local) -> int:
        """Return the time of the next record: a history does not go back when a clock does."""
        return max(self._clock.now_us(), local.history[-1].at_us)

    def _append(self, local: Local, record: Record) -> None:
        self._spool.add_record(local.reference, json.dumps(write_record(record)))

    def _keep(self, local: Local) -> None:
        value = [local.reference, local.failing, local.incident_id]
        self._spool.put(_CURRENT, json.dumps(value))


def reminder_words(reminder: Reminder) -> str:
    """Put a reminder into a line, the same one whenever it is asked for."""
    clock = reminder.clock.value.replace("_", " ")
    due = write_instant(reminder.due)
    if reminder.moment is Moment.MISSED:
        return f"The {clock} was due at {due}, and nobody has given it."
    return f"The {clock} is due at {due}."


def _person(name: str) -> Author:
    return Author(AuthorKind.OPERATOR, name)
