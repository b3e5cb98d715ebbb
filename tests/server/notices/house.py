"""The room for notices over a store in memory, a clock that is moved, and a post that notes."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from hsm.journalkey import JournalKey
from server.accounts.customer_ports import ContactCard, ContactKind, CustomerTerms, Entity
from server.accounts.plan_term import plan_from
from server.incidents.desk import IncidentDesk, NewIncident
from server.incidents.record import Component, Incident
from server.incidents.severity import Severity, Situation
from server.journal.acts import OPERATOR, Actor, Cause
from server.maintenance.desk import MaintenanceDesk
from server.notices.acknowledging import AcknowledgementDesk
from server.notices.board import Board
from server.notices.delivery import Delivery
from server.notices.dispatcher import Dispatcher, LinkMaker
from server.notices.message import Message
from server.notices.ports import Which
from server.notices.sending import Fate, Outcome, Sender, Way
from server.reports.published import PublishedReports
from server.storage.identity import StoredJournalKeys
from tests.server.memory_store import MemoryStore
from tests.server.notices.boards import BOARD, StillBoard
from tests.server.still_clock import StillClock
from validation.gcra import UNLIMITED, Policy, Rate

KEY = JournalKey.generate()
SALT = bytes(range(16))
EVE = Cause(Actor(OPERATOR, "eve"), "a test")
DELIVERED = Outcome(Fate.DELIVERED, "taken")
"""2026-11-21 is a Saturday of cilla's week; anna is next, bo after her."""


class Sent(NamedTuple):
    """A message that was sent, and where."""

    way: Way
    place: str
    message: Message


class Post:
    """A way out that notes what is sent. outcomes: of the next attempts; else all are delivered."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.outcomes: list[Outcome] = []

    def senders(self, board: Board) -> Mapping[Way, Sender]:
        del board
        return {way: _OneWay(self, way) for way in Way}

    @property
    def places(self) -> list[str]:
        """Where messages went since the last look; forgets them."""
        found = [one.place for one in self.sent]
        self.sent.clear()
        return found


class _OneWay:
    def __init__(self, post: Post, way: Way) -> None:
        self._post = post
        self._way = way

    async def send(self, place: str, name: str, message: Message) -> Outcome:
        del name
        self._post.sent.append(Sent(self._way, place, message))
        return self._post.outcomes.pop(0) if self._post.outcomes else DELIVERED


class House:
    """Everything joined."""

    def __init__(self, board: Board = BOARD) -> None:
        self.clock = StillClock()
        policy = Policy(Rate.per_second(10, 50), UNLIMITED)
        self.store = MemoryStore(clock=self.clock, default_policy=policy)
        self.board = StillBoard(board)
        self.post = Post()
        self.incidents = IncidentDesk(self.store)
        self.maintenance = MaintenanceDesk(self.store)
        self.dispatcher = self.a_dispatcher()
        keys = StoredJournalKeys(self.store, self.clock, own=KEY.public_key)
        self.links = AcknowledgementDesk(
            self.incidents, keys, self.board, salt=SALT, now_s=self._now_s
        )

    async def _now_s(self) -> int:
        return self.clock.now_us() // 1_000_000

    def a_dispatcher(self) -> Dispatcher:
        """Return one more, as another process or a later one has it."""
        return Dispatcher(
            facts=self.store,
            book=self.store,
            incidents=self.store,
            reports=PublishedReports(self.store),
            board=self.board,
            senders=self.post.senders,
            links=LinkMaker(KEY, SALT),
        )

    async def open(
        self, severity: Severity = Severity.SEV_1, *, public: bool = True, tell: str = ""
    ) -> Incident:
        """Open an incident of the validation."""
        new = NewIncident(
            Component.VALIDATION,
            "Nobody gets an answer",
            Situation(unavailable=True),
            severity,
            public=public,
            tell=tell,
        )
        return await self.incidents.open(new, cause=EVE)

    async def turn(self, *, after_s: float = 0) -> list[str]:
        """Let time pass, then plan and send until nothing is due; return where messages went."""
        self.clock.pass_by(after_s)
        while await self.dispatcher.turn():
            pass
        return self.post.places

    async def customer(
        self, name: str, *kinds: ContactKind, clients: Sequence[int] = (), validation: bool = True
    ) -> int:
        """Add a customer with one contact, at NAME@customer.example."""
        plan = plan_from(date(2026, 1, 1)) if validation else None
        terms = CustomerTerms(name, Entity.AB, plan, validation)
        details = await self.store.add_customer(terms, act=EVE.act("customer.add"))
        card = ContactCard(name, f"{name}@customer.example", "", frozenset(kinds))
        await self.store.add_contact(details.customer_id, card, act=EVE.act("contact.add"))
        for client_id in clients:
            await self.store.assign_client(
                client_id, details.customer_id, act=EVE.act("client.assign")
            )
        return details.customer_id

    async def deliveries(self) -> list[Delivery]:
        """Return all of them in order."""
        return [one.delivery for one in await self.store.list_deliveries(0, 999, Which())]
