"""Which keys are to be proved to the server, and when: once they were read and reported. Pure.

Once for every reading, so once per insertion, and then as the policy has it, else once a day: what
a key proved stands for its day, and each proof takes its applications from others. A server proves
nothing of a key that no report told it of. What fails is tried again, few times: the key is in
somebody's way.

The first one waits for the next report that the server takes, whenever that is: when a key is
plugged in is nobody's business, and a proof at once would tell it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from agent.slots import Phase, Slots

TRIES = 3
PAUSE_S = 60.0


class Due(NamedTuple):
    """A slot whose key is to be proved. changes: the slot's when it was read; at: not before, by
    a monotonic clock; tries: in vain.
    """  # noqa: D205 - one thought

    changes: int
    at: float
    tries: int = 0


@dataclass(frozen=True)
class ProofsDue:
    """By the slot's name."""

    due: Mapping[str, Due] = field(default_factory=dict)

    def read(self, name: str, changes: int) -> "ProofsDue":
        """Return them when a key was read: it is due after the next report."""
        return replace(self, due={**self.due, name: Due(changes, math.inf)})

    def reported(self, now: float) -> "ProofsDue":
        """Return them when the server took a report."""
        if all(one.at < math.inf for one in self.due.values()):
            return self
        due = {
            name: one if one.at < math.inf else one._replace(at=now)
            for name, one in self.due.items()
        }
        return replace(self, due=due)

    def begun(self, name: str) -> "ProofsDue":
        """Return them when a proof has begun."""
        return replace(self, due={one: due for one, due in self.due.items() if one != name})

    def again(self, name: str, was: Due, at: float) -> "ProofsDue":
        """Return them when a proof worked: the next one is due then, if the key is still there."""
        if name in self.due:
            return self
        return replace(self, due={**self.due, name: Due(was.changes, at)})

    def failed(self, name: str, was: Due, now: float) -> "ProofsDue":
        """Return them when a proof came to nothing. One that was read anew meanwhile stays so."""
        tries = was.tries + 1
        if name in self.due or tries >= TRIES:
            return self
        again = was._replace(at=now + PAUSE_S * 2.0**was.tries, tries=tries)
        return replace(self, due={**self.due, name: again})

    def still(self, slots: Slots) -> "ProofsDue":
        """Return them without keys that are not there any more."""
        left = {
            name: due
            for name, due in self.due.items()
            if name in slots.slots and slots.slots[name].changes == due.changes
        }
        return self if left == self.due else replace(self, due=left)

    def ready(self, slots: Slots, now: float) -> list[str]:
        """Return what can be proved now: read, and in nobody's hands. The longest due first."""
        found = [
            (due.at, name)
            for name, due in self.due.items()
            if due.at <= now and _is_free(slots, name, due)
        ]
        return [name for _at, name in sorted(found)]

    def due_at(self, now: float) -> float | None:
        """Return when something is to be tried again, as far as time alone decides."""
        return min((one.at for one in self.due.values() if one.at > now), default=None)


def _is_free(slots: Slots, name: str, due: Due) -> bool:
    slot = slots.slots.get(name)
    return (
        slot is not None and slot.changes == due.changes and slot.free and slot.phase is Phase.READ
    )
