"""Deadlines of requests, watched by one coarse timer for all of them.

A timer per request costs more than the rest of its bookkeeping; a sweep over those under
way every few milliseconds costs next to nothing and is late by one tick at most.
"""

import asyncio
from types import TracebackType

from server.clock import Clock

TICK_S = 0.05
"""How late a deadline may strike."""


class DeadlinePassedError(Exception):
    """The time a request may take is over; what it started may or may not have happened."""


class Deadlines:
    """All requests under way in this event loop: `watched` holds when each must have ended."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self.watched: dict[Deadline, float] = {}

    def within(self, seconds: float) -> "Deadline":
        """Return a context whose body is cut off after `seconds`: DeadlinePassedError."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)
        return Deadline(self.watched, self._clock.monotonic() + seconds)

    def sweep(self) -> None:
        """Cut off whoever is late. The timer calls it; so does a test that moves the clock."""
        now = self._clock.monotonic()
        for deadline in [late for late, strikes in self.watched.items() if strikes <= now]:
            del self.watched[deadline]
            deadline.strike()

    def _tick(self) -> None:
        self._timer = None
        self.sweep()
        if self.watched:
            self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)


class Deadline:
    """One request's deadline: cancels the task at its `await`, then says why.

    watched: where it is entered while its body runs; strikes: when, by the monotonic clock.
    """

    __slots__ = ("_cancelling", "_strikes", "_struck", "_task", "_watched")

    def __init__(self, watched: "dict[Deadline, float]", strikes: float) -> None:
        self._watched = watched
        self._strikes = strikes
        self._struck = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline can only be set inside a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._watched[self] = self._strikes

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._struck:
            del self._watched[self]
            return
        # As in asyncio.Timeout: a cancellation from elsewhere goes on as what it is.
        ours = self._task.uncancel() <= self._cancelling
        if ours and isinstance(error, asyncio.CancelledError):
            raise DeadlinePassedError("the deadline has passed") from error

    def strike(self) -> None:
        """Cancel the task, which is waiting somewhere inside the context."""
        self._struck = True
        self._task.cancel()
