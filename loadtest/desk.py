"""What the users of one Locust process share: keys, budgets, what was overheard, the ledger."""

import random
import secrets
from collections import deque
from typing import NamedTuple

from gevent.queue import Queue  # type: ignore[import-untyped] # it ships no types

from loadtest.clients import Client, Clients
from loadtest.keyfile import KeySecrets
from loadtest.ledger import LedgerWriter
from loadtest.pacer import Pacer, paced
from loadtest.plan import Plan, press
from loadtest.question import Pressed, Question

_OVERHEARD = 5_000
_USES = 256


class SpentError(Exception):
    """A key has used all the sessions that this run took of it."""


class HeldKey:
    """A virtual YubiKey in somebody's hand. sessions: how many this run may use.

    An OTP stays in the hand until it is handed in: whoever takes the key next, because its holder
    was stopped or refused over a limit, presents the same OTP, so that none is left undecided.
    """

    def __init__(self, key: KeySecrets, sessions: int) -> None:
        self._key = key
        self._end = key.session + sessions
        self._session = key.session
        self._use = 0
        self._in_hand: Pressed | None = None

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left to press."""
        return self._session >= self._end and self._in_hand is None

    def hand_in(self) -> None:
        """Let go of the OTP: it is about to be presented, and may be consumed."""
        self._in_hand = None

    def take_back(self, otp: Pressed) -> None:
        """Keep an OTP that was refused and is good still."""
        self._in_hand = otp

    def press(self) -> Pressed:
        """Return the OTP in the hand, else the next; SpentError after the last."""
        if self._in_hand is not None:
            return self._in_hand
        if self.is_spent:
            raise SpentError
        counters = (self._session, self._use)
        self._use = (self._use + 1) % _USES
        self._session += self._use == 0
        self._in_hand = Pressed(press(self._key, counters), self._key.public_id, counters)
        return self._in_hand


class Overheard(NamedTuple):
    """An accepted OTP, as somebody read it over a shoulder."""

    otp: Pressed
    nonce: str
    client: Client
    signed: bool


class Desk:
    """One process's part of a run. index: 0 .. plan.processes - 1; no key is in two parts."""

    def __init__(self, plan: Plan, index: int) -> None:
        self.plan = plan
        self.clients: Clients = plan.clients
        self.clock = plan.clock
        self.ledger = LedgerWriter(plan.ledger, f"process-{index}")
        self.overheard: deque[Overheard] = deque(maxlen=_OVERHEARD)
        self.stopped = False
        mine = plan.keys[index :: plan.processes]
        # A key in turn is the one that has rested longest, so it meets all of a service's workers.
        self._free = Queue()
        for key in mine:
            if key.active:
                self._free.put(HeldKey(key, plan.sessions))
        self.disabled = [HeldKey(key, plan.sessions) for key in mine if not key.active]
        self._pacers = {
            (client.client_id, signed): Pacer(paced(client.rate, client.burst, plan.processes))
            for client in self.clients.below
            for signed in (True, False)
        }

    def take_key(self) -> HeldKey:
        """Return a key that nobody holds, as soon as there is one."""
        key: HeldKey = self._free.get()
        return key

    def give_back(self, key: HeldKey) -> None:
        """Let somebody else have the key; one that is spent is laid aside."""
        if not key.is_spent:
            self._free.put(key)
        elif self._free.empty():
            # The last one: those who wait for it would wait for ever.
            raise SpentError

    def somewhere(self) -> tuple[Client, bool]:
        """Return a client to log in at, and whether the request is signed."""
        client = secrets.choice(self.clients.below)
        return client, client.signed_only or random.random() < 0.7  # noqa: S311, PLR2004 - a mix

    def wait_us(self, client: Client, *, signed: bool) -> int:
        """Return how long a session at a client has to wait to stay below its limit; 0 takes it."""
        pacer = self._pacers.get((client.client_id, signed))
        return 0 if pacer is None else pacer.wait_us(self.clock.now_us())

    def overhear(self, question: Question, client: Client) -> None:
        """Remember what was accepted."""
        self.overheard.append(Overheard(question.otp, question.nonce, client, question.signed))


def nonce() -> str:
    """Return a nonce nobody has used."""
    return secrets.token_hex(16)
