"""An exported ledger: no edit, deletion, new order or truncation goes unseen; erasing is none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.journal.audit import Verdict
from server.journal.checkpoint import ChainName, Checkpoint, sign_checkpoint
from server.journal.entry import BEGINNING
from server.journal.export import audit_export, end_to_json, line_of
from server.ledger.entry import Entry
from server.ledger.export import LEDGER_FORM
from tests.server.journal.chains import KEY, KEYS, NOON_US, signed
from tests.server.journal.chains import a_chain as a_journal
from tests.server.ledger.entries import chain, incident_steps


def vouch(entries: list[Entry]) -> Checkpoint:
    end = entries[-1].end if entries else BEGINNING
    return sign_checkpoint(end, NOON_US, KEY, ChainName.LEDGER)


def export(entries: list[Entry], *checkpoints: Checkpoint) -> list[bytes]:
    end = entries[-1].end if entries else BEGINNING
    objects = [*(one.to_json() for one in checkpoints), *(one.to_json() for one in entries)]
    return [line_of(value) for value in [*objects, end_to_json(end)]]


ENTRIES = chain(incident_steps(4))
LINES = export(ENTRIES, vouch(ENTRIES[:2]), vouch(ENTRIES))
TEXT = b"".join(LINES)


def verdict(lines: list[bytes], *kept: Checkpoint) -> Verdict:
    return audit_export(lines, KEYS, kept, LEDGER_FORM)


def first_bad(lines: list[bytes], *kept: Checkpoint) -> int | None:
    fault = verdict(lines, *kept).fault
    return None if fault is None else fault.sequence


def test_a_ledger_as_it_was_written_is_whole_and_its_entries_are_told() -> None:
    told: list[object] = []
    assert audit_export(LINES, KEYS, (), LEDGER_FORM, told.append) == Verdict(
        ENTRIES[-1].end, 4, 2, None
    )
    assert told == ENTRIES


def test_erased_payloads_leave_it_whole() -> None:
    erased = [ENTRIES[0], *(one._replace(payload=None) for one in ENTRIES[1:3]), ENTRIES[3]]
    assert first_bad(export(erased, vouch(ENTRIES))) is None


@given(st.integers(0, len(TEXT) - 2), st.integers(1, 255))
@settings(max_examples=150)
def test_no_octet_can_be_changed(place: int, by: int) -> None:
    altered = bytearray(TEXT)
    altered[place] ^= by
    assert first_bad(bytes(altered).splitlines(keepends=True)) is not None


@pytest.mark.parametrize("place", range(4))
def test_a_deletion_and_a_new_order_are_named(place: int) -> None:
    at = 2 + place
    assert first_bad([*LINES[:at], *LINES[at + 1 :]]) == place + 1
    if place < 3:
        other = [*LINES[:at], LINES[at + 1], LINES[at], *LINES[at + 2 :]]
        assert first_bad(other) == place + 1


def test_a_truncation_with_a_new_end_mark_is_found_by_its_checkpoint() -> None:
    assert first_bad(export(ENTRIES[:2], vouch(ENTRIES[:2]), vouch(ENTRIES))) == 3


def test_a_ledger_written_anew_is_found_by_a_checkpoint_that_was_kept_elsewhere() -> None:
    forged = chain([*incident_steps(1), *incident_steps(3)])
    forged_lines = export(forged, vouch(forged))
    assert first_bad(forged_lines) is None, "whoever has the key can do that"
    assert first_bad(forged_lines, vouch(ENTRIES)) is not None


def test_checkpoints_of_the_journal_vouch_for_nothing_here() -> None:
    fault = verdict(export(ENTRIES), signed(a_journal(4))).fault
    assert fault is not None
    assert "another chain" in fault.what
    assert first_bad([line_of(signed(a_journal(1)).to_json()), *LINES]) is not None
