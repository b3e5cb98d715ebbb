"""The table of sessions: sixteen of them, gone after thirty seconds of silence."""

from collections.abc import Callable
from dataclasses import dataclass

from hsm.emulator.channel.handshake import Challenged
from hsm.emulator.channel.secure_channel import SecureChannel
from hsm.emulator.wire.refusal import Refusal, RefusedError

SESSIONS = 16
IDLE_S = 30.0


@dataclass(frozen=True, slots=True)
class Rights:
    """What a session may do: copied from its authentication key when it begins.

    Deleting that key does not end the session: a ceremony deletes the key it works with last.
    """

    key_id: int
    domains: int
    capabilities: int
    delegated: int


@dataclass(slots=True)
class Session:
    """A slot in use. state: waiting for the host's proof, or open."""

    rights: Rights
    state: Challenged | SecureChannel
    heard: float


class Sessions:
    """The sixteen slots. clock: seconds that only grow."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._slots: dict[int, Session] = {}

    def begin(self, rights: Rights, state: Challenged | SecureChannel) -> int:
        """Take the lowest free slot and return its number; RefusedError(SESSIONS_FULL)."""
        self._expire()
        for number in range(SESSIONS):
            if number not in self._slots:
                self._slots[number] = Session(rights, state, self._clock())
                return number
        raise RefusedError(Refusal.SESSIONS_FULL)

    def get(self, number: int) -> Session:
        """Return a live session and note that it was heard; RefusedError(INVALID_SESSION)."""
        self._expire()
        session = self._slots.get(number)
        if session is None:
            raise RefusedError(Refusal.INVALID_SESSION)
        session.heard = self._clock()
        return session

    def end(self, number: int) -> None:
        """Free a slot. Freeing a free one is nothing."""
        self._slots.pop(number, None)

    def end_all(self) -> None:
        """Free all slots, as a restart does."""
        self._slots.clear()

    def __len__(self) -> int:
        """Return how many slots are in use."""
        self._expire()
        return len(self._slots)

    def _expire(self) -> None:
        oldest = self._clock() - IDLE_S
        for number in [key for key, session in self._slots.items() if session.heard < oldest]:
            del self._slots[number]
