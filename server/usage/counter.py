"""Counts answers, by client and kind: a look-up and an addition for each.

This is on the way of every verification, so there is no clock in it and nothing to wait for:
`clerk` takes away what was counted, often enough to know of which minute it is.
"""

from typing import TypeAlias

from server.otp.verdict import Verdict
from server.usage.kinds import AT, BEYOND_LEVEL, FAULT, KINDS, LIMITED, STATUS_AT
from server.usage.ports import NOBODY, OVERFLOW

Counts: TypeAlias = dict[int, list[int]]
"""By Client ID; each list in the order of KINDS."""

_LIMITED_AT = AT[LIMITED]
_BEYOND_AT = AT[BEYOND_LEVEL]
_FAULT_AT = AT[FAULT]


class UsageCounter:
    """The counts of one process since they were last taken away.

    room: clients that are counted apart. Only clients that are known to exist get here with their
    id (`Verdict.counted_for`), so no stranger can fill it.
    """

    __slots__ = ("_counts", "_room")

    def __init__(self, room: int) -> None:
        self._room = room
        self._counts: Counts = {}

    def answered(self, verdict: Verdict) -> None:
        """Count one answer."""
        counts = self._counts.get(verdict.counted_for)
        if counts is None:
            counts = self._begin(verdict.counted_for)
        if verdict.limit is not None:
            counts[_LIMITED_AT] += 1
        elif verdict.beyond_level:
            counts[_BEYOND_AT] += 1
        else:
            counts[STATUS_AT[verdict.status]] += 1

    def fault(self) -> None:
        """Count one request that got no answer of the protocol. Nobody knows whose it was."""
        counts = self._counts.get(NOBODY) or self._begin(NOBODY)
        counts[_FAULT_AT] += 1

    def take(self, room: int) -> Counts:
        """Return what was counted, and begin anew. room: for the clients to come."""
        taken, self._counts = self._counts, {}
        self._room = room
        return taken

    def _begin(self, client_id: int) -> list[int]:
        """Return the counts of a client that comes first, or those of all who found no room."""
        if client_id != NOBODY and len(self._counts) >= self._room:
            client_id = OVERFLOW
        return self._counts.setdefault(client_id, [0] * len(KINDS))
