"""How long things are kept: what follows from days and a clock, and which clock is believed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.fleet.hosts import Host, HostState
from server.fleet.retention import (
    BELIEVED_US,
    DAY_US,
    GRACE_DAYS,
    Gone,
    Kept,
    Looked,
    erasure_us,
    limits,
    summed,
)
from tests.server.fleet.reports import HOST
from tests.server.still_clock import NOW_US

KEPT = Kept(keys_days=730, changes_days=400, tokens_days=30, silent_days=30, hosts_days=300)
ACTIVE = Host(HOST, "laptop-17", bytes(32), HostState.ACTIVE, "linux", "0.1.0", NOW_US)


def test_limits_are_days_before_now() -> None:
    found = limits(KEPT, NOW_US)
    today = datetime.fromtimestamp(NOW_US / 1e6, UTC).date()
    assert found.seen_day == (today - timedelta(730)).isoformat()
    assert found.changed_us == NOW_US - 400 * DAY_US
    assert found.expired_us == found.silent_us == NOW_US - 30 * DAY_US
    assert found.reported_us == NOW_US - 300 * DAY_US
    assert limits(KEPT._replace(hosts_days=None), NOW_US).reported_us is None


@pytest.mark.parametrize(
    ("passed_us", "believed"),
    [(0, True), (DAY_US, True), (BELIEVED_US, True), (BELIEVED_US + 1, False), (-1, False)],
)
def test_a_clock_that_moved_far_is_not_believed(passed_us: int, *, believed: bool) -> None:
    assert Looked(NOW_US).believes(NOW_US + passed_us) is believed


def test_the_first_run_believes_nothing() -> None:
    assert not Looked().believes(NOW_US)
    assert not Looked.decode(None).believes(NOW_US)


counts = st.builds(Gone, *[st.integers(0, 2**40)] * 6)


def test_who_set_a_clock_wrong_a_minute_before_a_run_has_more_than_that_minute() -> None:
    wrong = NOW_US + 5_000 * DAY_US
    doubted = Looked(NOW_US).next(wrong)
    assert not doubted.believes(wrong + 60_000_000)
    again = doubted.next(wrong + 60_000_000)
    assert not again.believes(wrong + 120_000_000)
    assert again.believes(wrong + DAY_US)
    believed = again.next(wrong + DAY_US)
    assert believed.believes(wrong + DAY_US), "a run that failed is begun again soon"


@given(at_us=st.none() | st.integers(0, 2**60), gone=counts, doubted=st.booleans())
def test_what_a_run_leaves_is_read_by_the_next(
    at_us: int | None, gone: Gone, *, doubted: bool
) -> None:
    left = Looked(at_us, gone, doubted)
    assert Looked.decode(left.encode()) == left


@given(st.text() | st.sampled_from(["[]", "null", '{"gone": 1}', '{"gone": {"more": 1}}']))
def test_what_somebody_else_wrote_there_is_nothing(text: str) -> None:
    assert isinstance(Looked.decode(text), Looked)


def test_counts_add_up_and_those_of_nothing_are_not_told() -> None:
    assert Gone(1, 2).plus(Gone(keys=4, hosts=1)) == Gone(keys=5, keys_seen=2, hosts=1)
    assert summed(Gone(keys=5, hosts=1)) == {"keys": 5, "hosts": 1}


def test_a_host_is_erased_when_it_was_silent_long_enough_to_be_noticed() -> None:
    assert erasure_us(ACTIVE, KEPT) is None
    marked = ACTIVE._replace(silent_us=NOW_US + 30 * DAY_US)
    assert erasure_us(marked, KEPT) == NOW_US + 300 * DAY_US
    late = ACTIVE._replace(silent_us=NOW_US + 900 * DAY_US)
    assert erasure_us(late, KEPT) == NOW_US + (900 + GRACE_DAYS) * DAY_US
    assert erasure_us(late, KEPT._replace(hosts_days=None)) is None
    heard = late._replace(reported_us=NOW_US + 901 * DAY_US)
    assert not heard.is_silent
    assert erasure_us(heard, KEPT) is None


def test_a_host_that_was_replaced_is_erased_when_its_time_is_over() -> None:
    replaced = ACTIVE._replace(state=HostState.REPLACED)
    assert erasure_us(replaced, KEPT) == NOW_US + 300 * DAY_US
    assert erasure_us(ACTIVE.erased(), KEPT) is None
