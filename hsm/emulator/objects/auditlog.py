"""The device's log: 62 entries, each one's digest over it and the digest before."""

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass

from hsm.emulator.wire.refusal import Refusal, RefusedError

ENTRIES = 62
NO_KEY = 0xFFFF
_DATA = struct.Struct("!HBHHHHBL")
_DIGEST_SIZE = 16
_NUMBERS = 1 << 16
_TICKS = 1 << 32
_RESET = struct.pack("!H", 1) + b"\xff" * (_DATA.size - 2)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: 16 octets of data and 16 of digest."""

    number: int
    data: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class Happened:
    """What is logged of a command. Keys that played no part are 0xffff."""

    command: int
    length: int
    session_key: int
    target: int
    second: int
    result: int


class AuditLog:
    """The ring of entries. Under forced audit nothing is overwritten and the device stops."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._random = random
        self.reset()

    def reset(self) -> None:
        """Begin anew, with the entry that says so."""
        self.unlogged_boots = 0
        self.unlogged_sessions = 0
        # Nobody can foretell the chain's start, so two devices never share one.
        self._entries = [self._chained(1, _RESET, self._random(_DIGEST_SIZE))]

    def boot(self, *, forced: bool) -> None:
        """Note that the device started; when it must not overwrite, count it."""
        if forced and self.full:
            self.unlogged_boots += 1
            return
        self._append(_DATA.pack(self._next, 0, 0, NO_KEY, 0, 0, 0, 0))

    def note(self, happened: Happened, tick: int) -> None:
        """Append a command. tick: the device's clock, in units of its own."""
        one = happened
        self._append(
            _DATA.pack(
                self._next,
                one.command,
                one.length,
                one.session_key,
                one.target,
                one.second,
                one.result,
                tick % _TICKS,
            )
        )

    @property
    def full(self) -> bool:
        """Whether the next entry would overwrite the first."""
        return len(self._entries) >= ENTRIES

    def __len__(self) -> int:
        """Return how many entries are held."""
        return len(self._entries)

    def encode(self) -> bytes:
        """Write GET_LOG_ENTRIES' reply."""
        head = struct.pack("!HHB", self.unlogged_boots, self.unlogged_sessions, len(self))
        return head + b"".join(entry.data + entry.digest for entry in self._entries)

    def forget(self, up_to: int) -> None:
        """Drop the entries up to and including this number; RefusedError(INVALID_DATA)."""
        for index, entry in enumerate(self._entries):
            if entry.number == up_to:
                # The last one stays in mind: the chain goes on from it.
                self._last = self._entries[-1]
                del self._entries[: index + 1]
                self.unlogged_boots = self.unlogged_sessions = 0
                return
        raise RefusedError(Refusal.INVALID_DATA)

    def saved(self) -> tuple[list[Entry], Entry]:
        """Return all entries and the one the chain goes on from."""
        return list(self._entries), self._last

    def restore(self, entries: list[Entry], last: Entry, boots: int, sessions: int) -> None:
        """Put back what was saved."""
        self._entries = list(entries)
        self._last = last
        self.unlogged_boots = boots
        self.unlogged_sessions = sessions

    @property
    def _next(self) -> int:
        return (self._last.number + 1) % _NUMBERS

    def _append(self, data: bytes) -> None:
        if self.full:
            del self._entries[0]
        self._entries.append(self._chained(self._next, data, self._last.digest))

    def _chained(self, number: int, data: bytes, previous: bytes) -> Entry:
        digest = hashlib.sha256(data + previous).digest()[:_DIGEST_SIZE]
        self._last = Entry(number, data, digest)
        return self._last
