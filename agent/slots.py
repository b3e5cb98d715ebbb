"""Where keys can be, and when each is read: once per insertion, not while others use it. Pure.

A slot is a reader with a card in it, or a FIDO device. Its life is a table of few states:

    new -> WAITING -> READING -> READ -> (a day later) WAITING
                 ^--- not free, or pulled out meanwhile, with growing pauses
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from agent.findings import Findings, Reason
from agent.ports import ReaderState
from agent.probing import is_yubikey

SETTLE_S = 1.0
"""After an insertion, so that the program for which a key was plugged in comes first."""

AGAIN_S = 24 * 3600.0
HANGS_AFTER_S = 30.0
_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 600.0
_PATIENCE = 3
"""Times that a key which is read in part is read again, for all of it."""

_PASSING = (Reason.IN_USE, Reason.DEADLINE, Reason.FAILED, Reason.REMOVED)


class Phase(Enum):
    """What a slot is about."""

    WAITING = auto()
    READING = auto()
    READ = auto()


@dataclass(frozen=True)
class Slot:
    """One place with a key. changes: the reader's count at its insertion; free: nobody else is
    connected; due: when it is to be read, by a monotonic clock; tries: in vain, in a row.
    """  # noqa: D205 - one thought

    changes: int
    free: bool
    phase: Phase
    due: float
    tries: int = 0
    findings: Findings | None = None


@dataclass(frozen=True)
class Slots:
    """All of them, by name: "reader NAME" or "fido PATH"."""

    slots: Mapping[str, Slot] = field(default_factory=dict)

    def seen(self, readers: Mapping[str, ReaderState], now: float) -> "Slots":
        """Return the slots after a look at the readers."""
        after = {name: slot for name, slot in self.slots.items() if name.startswith(_FIDO)}
        for reader, state in readers.items():
            if not state.present or not is_yubikey(reader, state.atr):
                continue
            name = _READER + reader
            known = self.slots.get(name)
            if known is None or known.changes != state.changes:
                known = Slot(state.changes, not state.in_use, Phase.WAITING, now + SETTLE_S)
            # While it is read, the program that is connected is this one.
            elif known.phase is not Phase.READING:
                known = replace(known, free=not state.in_use)
            after[name] = known
        return Slots(after)

    def devices(self, paths: list[str], now: float) -> "Slots":
        """Return the slots after a look at the FIDO devices."""
        after = {name: slot for name, slot in self.slots.items() if name.startswith(_READER)}
        for path in paths:
            name = _FIDO + path
            fresh = Slot(0, free=True, phase=Phase.WAITING, due=now + SETTLE_S)
            after[name] = self.slots.get(name, fresh)
        return Slots(after)

    def away(self) -> "Slots":
        """Return the slots when the PC/SC service is away: no reader, no card."""
        return self.seen({}, 0.0)

    def next(self, now: float) -> str | None:
        """Return what is to be read now; None while something is being read."""
        if any(slot.phase is Phase.READING for slot in self.slots.values()):
            return None
        due = [
            (slot.due, name) for name, slot in self.slots.items() if slot.free and slot.due <= now
        ]
        return min(due)[1] if due else None

    def due_at(self) -> float | None:
        """Return when something is to be read next, as far as time alone decides."""
        slots = self.slots.values()
        return min(
            (slot.due for slot in slots if slot.free or slot.phase is Phase.READING), default=None
        )

    def reading(self, name: str, now: float) -> "Slots":
        """Return the slots when the reading of one has begun."""
        return self._with(
            name, replace(self.slots[name], phase=Phase.READING, due=now + HANGS_AFTER_S)
        )

    def hanging(self, now: float) -> str | None:
        """Return the slot whose reader does not let go of the thread that reads it."""
        slots = self.slots.items()
        hanging = (name for name, one in slots if one.phase is Phase.READING and one.due <= now)
        return next(hanging, None)

    def read(self, name: str, changes: int, findings: Findings, now: float) -> "Slots":
        """Return the slots when one was read. changes: the slot's when it began."""
        slot = self.slots.get(name)
        if slot is None or slot.changes != changes:
            return self  # pulled out meanwhile, or another key is there now
        if not _is_passing(findings) or (findings.facts and slot.tries >= _PATIENCE):
            return self._with(
                name,
                replace(slot, phase=Phase.READ, due=now + AGAIN_S, tries=0, findings=findings),
            )
        pause = min(_LONGEST_PAUSE_S, _PAUSE_S * 2.0**slot.tries)
        kept = findings if findings.facts else slot.findings
        again = replace(
            slot,
            phase=Phase.WAITING,
            due=now + pause,
            tries=min(slot.tries + 1, 10),
            findings=kept,
        )
        return self._with(name, again)

    def given_up(self, name: str, now: float) -> "Slots":
        """Return the slots when one hangs: not asked again soon, for each time costs a thread."""
        slot = replace(self.slots[name], phase=Phase.READ, due=now + AGAIN_S)
        return self._with(name, slot)

    def postponed(self, name: str, now: float) -> "Slots":
        """Return the slots when one cannot be read now, for want of a thread that could hang."""
        return self._with(name, replace(self.slots[name], due=now + _LONGEST_PAUSE_S))

    def _with(self, name: str, slot: Slot) -> "Slots":
        return Slots({**self.slots, name: slot})


_READER, _FIDO = "reader ", "fido "


def reader_of(name: str) -> str | None:
    """Return the reader of a slot; None for a FIDO device's."""
    return name.removeprefix(_READER) if name.startswith(_READER) else None


def path_of(name: str) -> str:
    """Return the path of a FIDO device's slot."""
    return name.removeprefix(_FIDO)


def _is_passing(findings: Findings) -> bool:
    return any(reason in _PASSING for reason in findings.unreadable.values())
