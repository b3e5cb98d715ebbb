"""Entries and logs as the device writes them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.audit.entry import ENTRY_OCTETS, Entry, LogRead, MalformedLogError
from tests.hsm.audit.logs import a_log, read


@given(st.binary(min_size=ENTRY_OCTETS, max_size=ENTRY_OCTETS))
def test_an_entry_is_written_as_it_was_read(octets: bytes) -> None:
    assert Entry.parse(octets).encode() == octets


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_log_or_malformed(octets: bytes) -> None:
    try:
        found = LogRead.parse(octets)
    except MalformedLogError:
        return
    assert found.encode() == octets


def test_a_log_that_lacks_octets_is_malformed() -> None:
    whole = a_log(3).encode()
    for cut in range(len(whole)):
        with pytest.raises(MalformedLogError):
            LogRead.parse(whole[:cut])
    with pytest.raises(MalformedLogError):
        LogRead.parse(whole + bytes(ENTRY_OCTETS))
    with pytest.raises(MalformedLogError):
        Entry.parse(bytes(ENTRY_OCTETS + 1))


def test_a_reset_and_a_start_are_known_for_what_they_are() -> None:
    reset, boot, created = read(a_log(1)).entries
    assert (reset.is_reset, boot.is_reset, created.is_reset) == (True, False, False)
    assert (reset.is_boot, boot.is_boot, created.is_boot) == (False, True, False)
    assert created.succeeded
    assert not created._replace(result=0x09).succeeded


def test_each_entry_follows_the_one_before_and_no_other() -> None:
    entries = read(a_log(5)).entries
    for before, after in itertools.pairwise(entries):
        assert after.follows(before.digest)
        assert not after._replace(tick=after.tick ^ 1).follows(before.digest)
        assert not after.follows(after.digest)
