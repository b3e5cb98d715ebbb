"""An entry of the ledger: its two forms, and what its hash covers."""

import pytest
from hypothesis import given, settings

from server.journal.canonical import MalformedError, canonical
from server.journal.entry import BEGINNING
from server.ledger.desk import ERASABLE
from server.ledger.entry import Entry, Kind, NewEntry, append
from tests.server.ledger.entries import TIME_US, chain, incident_steps, new_entries, salts


@given(new_entries, salts)
@settings(max_examples=50)
def test_an_entry_comes_back_from_its_line_and_is_whole(new: NewEntry, salt: bytes) -> None:
    entry = append(BEGINNING, new, TIME_US, salt)
    assert Entry.parse(canonical(entry.to_json())) == entry
    assert entry.is_whole()


@given(new_entries, salts)
@settings(max_examples=50)
def test_an_erased_payload_leaves_the_entry_whole_and_the_chain_as_it_was(
    new: NewEntry, salt: bytes
) -> None:
    entry = append(BEGINNING, new, TIME_US, salt)
    erased = entry._replace(payload=None)
    # What figures are made of is never erased: who took it away is found.
    assert erased.is_whole() == (new.kind in ERASABLE)
    assert erased.end == entry.end
    assert Entry.parse(canonical(erased.to_json())) == erased


def test_a_payload_of_another_word_or_salt_is_seen() -> None:
    entry = chain(incident_steps(1))[0]
    assert entry.payload is not None
    for payload in (
        entry.payload._replace(value={"step": "step 1"}),
        entry.payload._replace(salt=bytes([1]) * 16),
    ):
        assert not entry._replace(payload=payload).is_whole()


def test_whatever_the_hash_covers_is_seen_when_it_is_another() -> None:
    entry = chain(incident_steps(2))[1]
    for other in (
        entry._replace(sequence=3),
        entry._replace(time_us=entry.time_us + 1),
        entry._replace(kind="notice"),
        entry._replace(subject="8"),
        entry._replace(payload_digest=bytes(32), payload=None),
        entry._replace(previous=bytes(32)),
    ):
        assert not other.is_whole()


def test_the_same_payload_twice_has_two_digests() -> None:
    first, second = chain([NewEntry(Kind.NOTICE, "1", {"to": "somebody"})] * 2)
    assert first.payload_digest != second.payload_digest


@pytest.mark.parametrize(
    "change",
    [
        {"type": "entry"},
        {"v": 2},
        {"sequence": 0},
        {"sequence": True},
        {"digest": "00"},
        {"payload": []},
        {"payload": {"salt": "00" * 16}},
        {"payload": {"salt": "00" * 15, "value": {}}},
        {"payload": {"salt": "00" * 16, "value": 1}},
        {"more": 1},
        {"time": "2026-01-01T00:00:00Z"},
    ],
)
def test_another_form_is_refused(change: dict[str, object]) -> None:
    line = chain(incident_steps(1))[0].to_json() | change
    with pytest.raises(MalformedError):
        Entry.parse(canonical(line))


def test_a_payload_that_json_cannot_carry_is_refused() -> None:
    with pytest.raises(MalformedError):
        append(BEGINNING, NewEntry(Kind.NOTICE, "1", {"n": 2**60}), TIME_US, bytes(16))
