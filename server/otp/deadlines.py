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
    """All requests under way in this event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._running: dict[Deadline, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> "Deadline":
        """Return a context whose body is cut off after `seconds`: DeadlinePassedError."""
        return Deadline(self, self._clock.monotonic() + seconds)

    def sweep(self) -> None:
        """Cut off whoever is late. The timer calls it; so does a test that moves the clock."""
        now = self._clock.monotonic()
        for deadline in [late for late, strikes in self._running.items() if strikes <= now]:
            del self._running[deadline]
            deadline.strike()

    def begin(self, deadline: "Deadline", strikes: float) -> None:
        """Watch a deadline until `end`."""
        self._running[deadline] = strikes
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def end(self, deadline: "Deadline") -> None:
        """Watch it no longer."""
        self._running.pop(deadline, None)

    def _tick(self) -> None:
        self._timer = None
        self.sweep()
        if self._running:
            self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)


class Deadline:
    """One request's deadline: cancels the task at its `await`, then says why."""

    __slots__ = ("_cancelling", "_deadlines", "_strikes", "_struck", "_task")

    def __init__(self, deadlines: Deadlines, strikes: float) -> None:
        self._deadlines = deadlines
        self._strikes = strikes
        self._struck = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline can only be set inside a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._deadlines.begin(self, self._strikes)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._deadlines.end(self)
        if not self._struck:
            return
        # As in asyncio.Timeout: a cancellation from elsewhere goes on as what it is.
        ours = self._task.uncancel() <= self._cancelling
        if ours and isinstance(error, asyncio.CancelledError):
            raise DeadlinePassedError("the deadline has passed") from error

    def strike(self) -> None:
        """Cancel the task, which is waiting somewhere inside the context."""
        self._struck = True
        self._task.cancel()
