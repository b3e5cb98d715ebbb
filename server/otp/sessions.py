"""Sessions that have paid: the limit counts sessions, not requests.

A client that asks several URLs with one OTP and one nonce, or repeats a question, starts
one session and pays once. The store knows the session it accepted last per key; the others
(a bad or replayed OTP) are remembered here, for a while.
"""

import asyncio
from collections import deque
from typing import NamedTuple

from server.clock import Clock
from server.otp.bounded_map import BoundedMap

REMEMBERED_S = 300.0
"""A repeat later than this is a new session."""


class Session(NamedTuple):
    """What makes two requests one session. otp: as sent; nonce: "" in protocol 1."""

    client_id: int
    otp: str
    nonce: str

    def __repr__(self) -> str:
        """Keep the OTP out of logs."""
        return f"Session(client_id={self.client_id}, ...)"


class Sessions:
    """Up to `limit` paid sessions, and those that are being decided right now."""

    def __init__(self, *, clock: Clock, limit: int) -> None:
        self._clock = clock
        self._paid: BoundedMap[Session, float] = BoundedMap(limit)
        # Absent: nobody decides it. None: somebody does. A queue: and others wait for that.
        self._deciding: dict[Session, deque[asyncio.Future[None]] | None] = {}

    def has_paid(self, session: Session) -> bool:
        """Tell whether the session has paid, so that it goes free."""
        paid = self._paid.get(session)
        return paid is not None and self._clock.monotonic() - paid < REMEMBERED_S

    def is_known(self, session: Session) -> bool:
        """Tell whether the session has paid or is about to: it is not turned away unasked."""
        return session in self._deciding or self.has_paid(session)

    async def begin(self, session: Session) -> None:
        """Take the session to decide it, when nobody else does any more; `settle` must follow.

        Letting two through for one price would be a way around the limit should the first be
        refused. Each settled request hands on to one that waits: a flood of repeats costs
        each of them no more than its own turn.
        """
        if session not in self._deciding:
            self._deciding[session] = None
            return
        waiting = self._deciding[session]
        if waiting is None:
            waiting = self._deciding[session] = deque()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(future)
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._hand_on(session)  # it was our turn already, and we are gone
            raise

    def settle(self, session: Session, *, paid: bool) -> None:
        """End what `begin` began; the next one who waits goes on."""
        if paid:
            self._paid.put(session, self._clock.monotonic())
        self._hand_on(session)

    def _hand_on(self, session: Session) -> None:
        waiting = self._deciding[session]
        while waiting:
            future = waiting.popleft()
            if not future.done():
                future.set_result(None)  # the session stays taken: by this one now
                return
        del self._deciding[session]
