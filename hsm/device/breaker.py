"""Whether a device is asked at all: a circuit breaker, as a table of states.

    closed --failed--> open --answered--> trying --succeeded--> closed
                         ^                   |
                         `------failed-------'

Open: nothing is asked of it, its owner looks whether it answers again, after waits that grow.
Trying: it answers again, and one command at a time shows whether it also does its work.
"""

import enum

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 0.5


class State(enum.Enum):
    """What may be asked of a device: everything, nothing, one command at a time."""

    CLOSED = "closed"
    OPEN = "open"
    TRYING = "trying"


class Event(enum.Enum):
    """What was learned of a device."""

    SUCCEEDED = "it did a command"
    ANSWERED = "a session with it begins"
    FAILED = "it did not do what it was asked, for a reason of its own"


_NEXT = {
    (State.CLOSED, Event.FAILED): State.OPEN,
    (State.OPEN, Event.ANSWERED): State.TRYING,
    (State.TRYING, Event.SUCCEEDED): State.CLOSED,
    (State.TRYING, Event.FAILED): State.OPEN,
}


class Breaker:
    """One device's. wait_s: how long to wait, while it is open, before the next look."""

    __slots__ = ("state", "wait_s")

    def __init__(self) -> None:
        self.state = State.CLOSED
        self.wait_s = FIRST_WAIT_S

    def note(self, event: Event) -> None:
        """Take in what was learned. What the table does not name changes nothing."""
        self.state = _NEXT.get((self.state, event), self.state)
        if event is Event.FAILED:
            self.wait_s = min(2 * self.wait_s, LONGEST_WAIT_S)
        elif event is Event.SUCCEEDED:
            self.wait_s = FIRST_WAIT_S
