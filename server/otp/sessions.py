"""Sessions that have paid: the limit counts sessions, not requests.

A client that asks several URLs with one OTP and one nonce, or repeats a question, starts
one session and pays once. The store knows the session it accepted last per key; the others
(a bad or replayed OTP) are remembered here, for a while.
"""

import asyncio
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
        # Absent: nobody decides it. None: somebody does. A list: and others wait for that.
        self._deciding: dict[Session, list[asyncio.Future[None]] | None] = {}

    def has_paid(self, session: Session) -> bool:
        """Tell whether the session has paid, so that it goes free."""
        paid = self._paid.get(session)
        return paid is not None and self._clock.monotonic() - paid < REMEMBERED_S

    def is_deciding(self, session: Session) -> bool:
        """Tell whether another request of this session is on its way through the store."""
        return session in self._deciding

    def is_known(self, session: Session) -> bool:
        """Tell whether the session has paid or is about to: it is not turned away unasked."""
        return session in self._deciding or self.has_paid(session)

    async def turn(self, session: Session) -> None:
        """Wait until no other request is deciding the session.

        Letting both through for one price would be a way around the limit should the first
        be refused. On return it is the caller's turn: to see `has_paid`, or to `begin`.
        """
        while session in self._deciding:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            others = self._deciding[session]
            if others is None:
                self._deciding[session] = [future]
            else:
                others.append(future)
            await future

    def begin(self, session: Session) -> None:
        """Take the session, which nobody is deciding, to decide it; `settle` must follow."""
        self._deciding[session] = None

    def settle(self, session: Session, *, paid: bool) -> None:
        """End what `begin` began; the next one who waits goes on."""
        if paid:
            self._paid.put(session, self._clock.monotonic())
        for future in self._deciding.pop(session) or ():
            if not future.done():
                future.set_result(None)
