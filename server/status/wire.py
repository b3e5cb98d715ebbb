"""A snapshot as JSON and back: between processes, for a prober, and for whoever wants exact values.

Fractions are text (`1/3`), days are dates, moments are microseconds or seconds since the epoch as
the fields' names say.
"""

from dataclasses import replace

from pydantic import TypeAdapter, ValidationError

from server.incidents.states import State
from server.status.snapshot import Snapshot

MOST_OCTETS = 4 * 1024 * 1024
"""Many times what ninety days with an incident on each of them come to."""

_FORM = TypeAdapter(Snapshot)


_SETTLED = frozenset({State.RESOLVED, State.DISMISSED})


class SnapshotError(ValueError):
    """The octets are no snapshot of this version."""


def write_snapshot(snapshot: Snapshot) -> bytes:
    """Return a snapshot as JSON; `read_snapshot` is its inverse."""
    return _FORM.dump_json(snapshot)


def read_snapshot(octets: bytes) -> Snapshot:
    """Read what `write_snapshot` wrote; SnapshotError."""
    if len(octets) > MOST_OCTETS:
        raise SnapshotError(f"a snapshot has at most {MOST_OCTETS} octets")
    try:
        return _FORM.validate_json(octets)
    except ValidationError as error:
        raise SnapshotError(f"no snapshot: {error.error_count()} things are not as told") from None


def fitted(snapshot: Snapshot) -> Snapshot:
    """Leave out what is too much to be told: the oldest that is settled first."""
    while snapshot.incidents and len(write_snapshot(snapshot)) > MOST_OCTETS:
        known = snapshot.incidents
        over = [at for at, one in enumerate(known) if one.state in _SETTLED]
        least = over[-1] if over else len(known) - 1
        snapshot = replace(snapshot, incidents=known[:least] + known[least + 1 :])
    return snapshot
