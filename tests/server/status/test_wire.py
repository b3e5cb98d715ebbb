"""A snapshot as JSON: it arrives as it was sent, and what is none is refused."""

from dataclasses import replace

import pytest

from server.incidents.states import State
from server.status import wire
from server.status.snapshot import Snapshot, Update
from server.status.wire import MOST_OCTETS, SnapshotError, fitted, read_snapshot, write_snapshot
from tests.server.status.samples import eventful, incident, quiet, stale


@pytest.mark.parametrize("snapshot", [quiet(), eventful(), stale()])
def test_a_snapshot_arrives_as_sent(snapshot: Snapshot) -> None:
    assert read_snapshot(write_snapshot(snapshot)) == snapshot


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"null",
        b"{}",
        b'{"service": "x", "read_us": "soon", "components": []}',
        b'{"service": "x", "read_us": 1, "components": [{"component": "coffee"}]}',
        b"[" * 100_000,
        b" " * (MOST_OCTETS + 1),
    ],
)
def test_what_is_no_snapshot_is_refused(octets: bytes) -> None:
    with pytest.raises(SnapshotError):
        read_snapshot(octets)


def test_what_is_too_much_leaves_out_the_oldest_that_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert fitted(eventful()) == eventful()
    long = "a" * 2000
    known = tuple(
        replace(
            incident(str(number), states=(State.OPEN, state)),
            updates=(Update(1, State.OPEN, long),),
        )
        for number, state in enumerate(
            [State.ACKNOWLEDGED, State.RESOLVED, State.ACKNOWLEDGED, State.DISMISSED]
        )
    )
    snapshot = replace(quiet(), incidents=known)
    room = len(write_snapshot(snapshot))
    monkeypatch.setattr(wire, "MOST_OCTETS", room - 1)
    assert [one.reference for one in fitted(snapshot).incidents] == ["0", "1", "2"]
    monkeypatch.setattr(wire, "MOST_OCTETS", room - 3000)
    assert [one.reference for one in fitted(snapshot).incidents] == ["0", "2"]
    monkeypatch.setattr(wire, "MOST_OCTETS", room - 5500)
    assert [one.reference for one in fitted(snapshot).incidents] == ["0"]
