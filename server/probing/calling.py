"""Calls people while the server is away, by the same notice board, until somebody answers.

Each message goes at least once: what was sent is in the spool, and each end of it, delivered or
given up, is a note in the incident's history, which goes to the server with the rest.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from server.clock import Clock
from server.incidents.record import Record, Step, Update
from server.notices.board import Board
from server.notices.board_tables import Reachable
from server.notices.message import Message
from server.notices.sending import Fate, Outcome, Sender, Way
from server.oncall.escalation import Call, who_is_called
from server.probing.vigil import Local, RecordSpool, Vigil
from server.probing.words import call_message, record_message

MOST_ATTEMPTS: Final = 12
FIRST_WAIT_S: Final = 5.0
LONGEST_WAIT_S: Final = 120.0

_STATE: Final = "calls"
_US: Final = 1_000_000


class Errand(NamedTuple):
    """One message to one place. key: the same whenever it is asked for."""

    key: str
    name: str
    way: Way
    place: str
    message: Message


class Tried(NamedTuple):
    """What was tried. next_us: when to try again; None: it is settled, one way or the other."""

    attempts: int
    next_us: int | None


MakeLink = Callable[[Local, str, int], str]
"""(incident, person, expiry in Unix seconds) -> the address to acknowledge at, "" for none."""


class Caller:
    """Sends what is due. board: as it is now; link: makes signed links."""

    def __init__(
        self,
        vigil: Vigil,
        spool: RecordSpool,
        *,
        board: Board,
        senders: Mapping[Way, Sender],
        clock: Clock,
        link: MakeLink,
    ) -> None:
        self._vigil = vigil
        self._spool = spool
        self._board = board
        self._senders = senders
        self._clock = clock
        self._link = link

    async def turn(self, *, away: bool) -> None:
        """Send what is due now. Once the server has the incident, the server calls."""
        local = self._vigil.local()
        if local is None or (local.incident_id and not away):
            return
        tried = self._tried(local)
        now_us = self._clock.now_us()
        due = [
            errand
            for errand in self.errands(local)
            if _is_due(tried.get(errand.key, Tried(0, 0)), now_us)
        ]
        await asyncio.gather(*(self._send(local, errand) for errand in due))

    def errands(self, local: Local) -> Sequence[Errand]:
        """Return everything that was to be sent by now, sent already or not."""
        return [*self._calls(local), *self._news(local)]

    def _calls(self, local: Local) -> Iterator[Errand]:
        board, incident = self._board, local.incident
        if board.rota is None:
            return
        acknowledged_us = incident.acknowledged_us
        calls = who_is_called(
            board.rota,
            board.escalation,
            severity=incident.severity,
            opened_at=incident.reported_us // _US,
            now=self._clock.now_us() // _US,
            acknowledged_at=None if acknowledged_us is None else acknowledged_us // _US,
            hours=board.hours,
        )
        clocks = self._vigil.clocks(local)
        due = clocks[0].story.due if clocks else None
        # The newest to each: who was asleep, or whose clock leapt, sends nobody all that went by.
        for call in {call.person: call for call in calls}.values():
            person = board.people.get(call.person)
            if person is not None:
                yield from self._call(local, call, person, due)

    def _call(
        self, local: Local, call: Call, person: Reachable, due: int | None
    ) -> Iterator[Errand]:
        expires_s = call.at + self._board.link_hours * 3600
        link = self._link(local, call.person, expires_s)
        for way, place in _ways(person):
            key = f"call {call.step} {call.person} {way}"
            message = call_message(
                local, call, due=due, link=link, message_id=_message_id(local, key)
            )
            yield Errand(key, call.person, way, place, message)

    def _news(self, local: Local) -> Iterator[Errand]:
        wanted = [one for one in self._board.subscribers.values() if "incidents" in one.wants]
        for number, record in enumerate(local.history):
            if not _is_told(record):
                continue
            for subscriber in wanted:
                for way, place in _ways(subscriber):
                    key = f"record {number} {subscriber.name} {way}"
                    message = record_message(local, record, _message_id(local, key))
                    yield Errand(key, subscriber.name, way, place, message)

    async def _send(self, local: Local, errand: Errand) -> None:
        outcome = await self._senders[errand.way].send(errand.place, errand.name, errand.message)
        with self._spool.writing():
            # Anew: others may have been settled meanwhile.
            tried = self._tried(local)
            now = _after(tried.get(errand.key, Tried(0, 0)), outcome, self._clock.now_us())
            tried[errand.key] = now
            self._spool.put(_STATE, json.dumps([local.reference, tried]))
            if now.next_us is None:
                self._vigil.note(_settled(errand, outcome, now))

    def _tried(self, local: Local) -> dict[str, Tried]:
        reference, tried = json.loads(self._spool.get(_STATE) or '["", {}]')
        if reference != local.reference:
            return {}
        return {key: Tried(*value) for key, value in tried.items()}


def _is_due(tried: Tried, now_us: int) -> bool:
    return tried.next_us is not None and tried.next_us <= now_us


def _after(before: Tried, outcome: Outcome, now_us: int) -> Tried:
    """Return what is to be done after an attempt: again later, or nothing more."""
    attempts = before.attempts + 1
    if outcome.fate is not Fate.FAILED or attempts >= MOST_ATTEMPTS:
        return Tried(attempts, None)
    wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (attempts - 1))
    return Tried(attempts, now_us + round(wait_s * _US))


def _settled(errand: Errand, outcome: Outcome, tried: Tried) -> str:
    how = "was told" if outcome.fate is Fate.DELIVERED else "could not be told"
    return f"{errand.name} {how} by {errand.way} ({errand.key}; {tried.attempts} attempts)"


def _ways(one: Reachable) -> Iterator[tuple[Way, str]]:
    if one.email is not None:
        yield Way.EMAIL, one.email
    if one.webhook is not None:
        yield Way.WEBHOOK, one.webhook


def _is_told(record: Record) -> bool:
    if record.step is Step.UPDATE:
        return isinstance(record.detail, Update) and record.detail.public
    return record.step in {Step.OPENED, Step.ACKNOWLEDGED}


def _message_id(local: Local, key: str) -> str:
    return hashlib.sha256(f"{local.reference} {key}".encode()).hexdigest()[:32]
