"""Plans what is to be told, and sends it: read, decide, store, send, store what became of it.

Everything is stored before it is sent and again after it, under a lease: whoever dies in between
leaves it to be sent once more under the same id, and nobody is forgotten.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import structlog

from server.facts import Fact, FactBook
from server.incidents.record import Incident
from server.journal.checkpoint import Signer
from server.leases import Lease
from server.notices.audience import Customer, calls, is_told, is_unanswered, notices, opening_of
from server.notices.board import Board
from server.notices.delivery import (
    CALL,
    Delivery,
    Notice,
    Standing,
    after_attempt,
    in_vain,
)
from server.notices.letters import Letter, Said, letters, message_of
from server.notices.link import AcknowledgementLink, person_mark
from server.notices.message import Message
from server.notices.ports import (
    BoardSource,
    DeliveryBook,
    IncidentSource,
    Progress,
    ReportSource,
)
from server.notices.report_telling import report_notices
from server.notices.sending import Fate, Outcome, Sender, Way
from server.notices.words import REPORT_PUBLISHED, link_words

READER = "notices"
"""The name under which facts are read."""

PATH = "/status/ack/"

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

_FACTS_AT_ONCE = 50
_PLANNED_AT_ONCE = 200
_SENT_AT_ONCE = 16
"""A server that hangs keeps a call waiting for one deadline, never for many."""
_CALLS_AT_ONCE = 500
"""Read together, so that one person's calls for many incidents are seen to be one letter."""
_PAGE = 500
_US = 1_000_000
_HOUR_S = 3600


class LinkMaker(NamedTuple):
    """What makes links to acknowledge by. salt: the installation's."""

    signer: Signer
    salt: bytes

    def words(self, delivery: Delivery, board: Board, open_: Mapping[int, Incident]) -> str:
        """Return what a call says of its link; "" where there is none. The same when sent again.

        open_: what calls are about, as it is now: the link is for this opening of it.
        """
        notice = delivery.notice
        if notice.occasion != CALL or board.link is None:
            return ""
        expires_s = delivery.created_us // _US + board.link_hours * _HOUR_S
        mark = person_mark(self.salt, notice.recipient.name)
        number = int(notice.subject.id)
        link = AcknowledgementLink(number, mark, expires_s, opening_of(open_[number]))
        return link_words(f"{board.link}{PATH}{link.sign(self.signer)}", expires_s)


class Dispatcher:
    """One turn after the other. senders: what sends for a board.

    attempts: what became of each, by way and standing, since the start; `WAITING` failed, and is
    tried again.
    """

    def __init__(
        self,
        *,
        facts: FactBook,
        book: DeliveryBook,
        incidents: IncidentSource,
        reports: ReportSource,
        board: BoardSource,
        senders: Callable[[Board], Mapping[Way, Sender]],
        links: LinkMaker,
    ) -> None:
        self._facts = facts
        self._book = book
        self._incidents = incidents
        self._reports = reports
        self._board = board
        self._senders = senders
        self._links = links
        self._called: set[str] = set()
        self.attempts: Counter[tuple[Way, Standing]] = Counter()

    async def begin(self) -> None:
        """Read facts from now on: what happened before anybody was to be told is no news."""
        await self._facts.subscribe(READER)

    async def turn(self, lease: Lease | None = None) -> bool:
        """Plan and send what is due; tell whether there is more. LeaseLostError, store errors."""
        board = self._board.board()
        more = await self._plan_facts(board, lease)
        open_ = {one.incident_id: one for one in await self._unanswered()}
        await self._plan_calls(board, open_, lease)
        return await self._send(board, open_, lease) or more

    async def _plan_facts(self, board: Board, lease: Lease | None) -> bool:
        found = await self._facts.unread_facts(READER, _FACTS_AT_ONCE)
        for fact in found:
            if is_told(fact):
                planned = await self._told_of(fact, board)
                for at in range(0, len(planned), _PLANNED_AT_ONCE):
                    await self._book.plan_notices(planned[at : at + _PLANNED_AT_ONCE], None, lease)
        if found:
            # Last: what was planned twice is planned once, what was passed over is lost.
            await self._book.plan_notices([], Progress(READER, found[-1].position), lease)
        return len(found) == _FACTS_AT_ONCE

    async def _told_of(self, fact: Fact, board: Board) -> Sequence[Notice]:
        kind, number, _ = fact.fact
        incident = None
        if kind.startswith("incident.") and number.isdecimal():
            incident = await self._incidents.incident(int(number))
        customers = await self._book.told_customers()
        try:
            if kind == REPORT_PUBLISHED:
                return await self._told_of_report(fact, board, customers)
            return notices(fact, board, customers, incident)
        except (LookupError, TypeError, ValueError) as fault:
            # A fact that cannot be told keeps nobody from hearing of those behind it.
            _log.error(
                "notice_not_planned",
                position=fact.position,
                kind=kind,
                exception=type(fault).__name__,
            )
            return []

    async def _told_of_report(
        self, fact: Fact, board: Board, customers: Sequence[Customer]
    ) -> Sequence[Notice]:
        _, number, detail = fact.fact
        report = await self._reports.published(int(number), int(str(detail["revision"])))
        if report is None:
            raise LookupError(number)
        # A thousand customers' texts take their time: in a thread, others have their turn.
        return await asyncio.to_thread(report_notices, fact, board, customers, report)

    async def _unanswered(self) -> list[Incident]:
        found: list[Incident] = []
        while True:
            after = found[-1].incident_id if found else 0
            page = await self._incidents.list_incidents(after, _PAGE, unsettled=True)
            found += page
            if len(page) < _PAGE:
                return [one for one in found if is_unanswered(one)]

    async def _plan_calls(
        self, board: Board, open_: Mapping[int, Incident], lease: Lease | None
    ) -> None:
        if not open_:
            self._called.clear()
            return
        now_us = await self._book.store_time_us()
        due = [notice for one in open_.values() for notice in calls(one, board, now_us)]
        fresh = [notice for notice in due if notice.delivery_id not in self._called]
        await self._book.plan_notices(fresh, None, lease)
        self._called = {notice.delivery_id for notice in due}

    async def _send(self, board: Board, open_: Mapping[int, Incident], lease: Lease | None) -> bool:
        most = _SENT_AT_ONCE
        waiting = await self._book.waiting_deliveries(most)
        if not waiting:
            return False
        if waiting[0].notice.occasion == CALL:  # calls come first
            most = _CALLS_AT_ONCE
            waiting = await self._book.waiting_deliveries(most)
        found = letters(waiting)
        senders = self._senders(board)
        going = found[:_SENT_AT_ONCE]
        sent = await asyncio.gather(*(self._one(one, board, senders, open_) for one in going))
        await self._book.note_attempts([one for letter in sent for one in letter], lease)
        return len(found) > len(going) or len(waiting) == most

    async def _one(
        self,
        letter: Letter,
        board: Board,
        senders: Mapping[Way, Sender],
        open_: Mapping[int, Incident],
    ) -> list[Delivery]:
        """Send a letter; return what became of each delivery in it."""
        due = [one for one in letter if not _is_in_vain(one, open_)]
        late_us = await self._book.store_time_us()
        late = [in_vain(one, late_us) for one in letter if _is_in_vain(one, open_)]
        if not due:
            return late
        recipient = due[0].notice.recipient
        if not recipient.place:
            outcome = Outcome(Fate.REFUSED, "there is no address any more")
        else:
            message = message_of([Said(one, self._links.words(one, board, open_)) for one in due])
            outcome = await _try(senders[recipient.way], due[0], message)
        now_us = await self._book.store_time_us()
        noted = [_noted(one, outcome, now_us) for one in due]
        self.attempts.update((recipient.way, one.standing) for one in noted)
        return [*late, *noted]


def _is_in_vain(delivery: Delivery, open_: Mapping[int, Incident]) -> bool:
    """Whether it is a call that somebody has answered."""
    notice = delivery.notice
    return notice.occasion == CALL and int(notice.subject.id) not in open_


def _noted(delivery: Delivery, outcome: Outcome, now_us: int) -> Delivery:
    """Return a delivery after an attempt, which is in the log."""
    notice = delivery.notice
    after = after_attempt(delivery, outcome, now_us)
    # No address and no words: who it was is in the store, for those who may look.
    is_lost = after.standing is Standing.GIVEN_UP
    (_log.error if is_lost else _log.info)(
        "notice_given_up" if is_lost else "notice_attempt",
        delivery=delivery.delivery_id,
        occasion=notice.occasion,
        about=f"{notice.subject.kind} {notice.subject.id}",
        way=notice.recipient.way.value,
        standing=after.standing.value,
        attempts=after.attempts,
    )
    return after


async def _try(sender: Sender, delivery: Delivery, message: Message) -> Outcome:
    """Send once. A fault of one sender keeps no other message from being noted as sent."""
    recipient = delivery.notice.recipient
    try:
        return await sender.send(recipient.place, recipient.name, message)
    except Exception as fault:  # noqa: BLE001 - see above; their words may quote the message
        kind = type(fault)
        _log.error(
            "notice_fault",
            delivery=delivery.delivery_id,
            exception=f"{kind.__module__}.{kind.__qualname__}",
        )
        return Outcome(Fate.FAILED, "an unforeseen fault; the service's log has it")
