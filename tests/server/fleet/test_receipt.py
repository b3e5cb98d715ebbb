"""Receipts: every report once, whoever sends it again, and copies of hosts are noticed."""

from hypothesis import given
from hypothesis import strategies as st

from agent.report import Report
from server.fleet.hosts import RESTORED, Host, HostState
from server.fleet.receipt import Progress, Receipt, progress, receive
from tests.server.fleet.reports import HOST, a_report

FRESH = Host(HOST, "laptop-17", bytes(32), HostState.ACTIVE, "linux", "0.1.0", 0)


def taken(host: Host, report: Report) -> Host:
    assert receive(host, report) is Receipt.NEW
    return host._replace(
        sequence=report.sequence,
        report_id=report.report_id,
        dropped=progress(host, report).dropped,
        missing=host.missing + progress(host, report).missing,
    )


def test_a_report_is_taken_once() -> None:
    report = a_report(sequence=1)
    assert receive(taken(FRESH, report), report) is Receipt.AGAIN


def test_another_report_under_a_number_that_was_used_is_a_clash() -> None:
    host = taken(taken(FRESH, a_report(sequence=1)), a_report(sequence=2))
    assert receive(host, a_report(sequence=2, report_id="ab" * 16)) is Receipt.CLASH
    assert receive(host, a_report(sequence=1)) is Receipt.CLASH


def test_after_a_restore_a_gap_is_nobodys_fault_and_no_clash() -> None:
    """The backup knows three reports; the host had sent nine by the accident."""
    known = FRESH
    for number in (1, 2, 3):
        known = taken(known, a_report(sequence=number))
    restored = known._replace(report_id=RESTORED + known.report_id)
    again = a_report(sequence=3)
    assert receive(restored, again) is Receipt.AGAIN, "its answer was lost in the accident"
    assert receive(restored, a_report(sequence=3, report_id="ab" * 16)) is Receipt.CLASH
    after = taken(restored, a_report(sequence=10))
    assert (after.missing, after.is_restored) == (0, False)
    assert taken(after, a_report(sequence=12)).missing == 1


def test_nobody_reports_for_a_host_that_is_not_there_any_more() -> None:
    report = a_report()
    assert receive(None, report) is Receipt.UNKNOWN_HOST
    assert receive(FRESH._replace(state=HostState.REPLACED), report) is Receipt.UNKNOWN_HOST
    assert receive(FRESH._replace(state=HostState.ERASED), report) is Receipt.ERASED


def test_reports_that_were_given_up_are_not_missing_and_others_are() -> None:
    host = taken(FRESH, a_report(sequence=1))
    assert progress(host, a_report(sequence=5, dropped=3)) == Progress(dropped=3, missing=0)
    assert progress(host, a_report(sequence=5, dropped=1)) == Progress(dropped=1, missing=2)
    assert progress(host, a_report(sequence=2, dropped=7)) == Progress(dropped=7, missing=0)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=30))
def test_whatever_order_numbers_come_in_none_is_taken_twice(numbers: list[int]) -> None:
    host, accepted = FRESH, []
    for number in numbers:
        report = a_report(sequence=number)
        if receive(host, report) is Receipt.NEW:
            host = taken(host, report)
            accepted.append(number)
    assert accepted == sorted(set(accepted))
    assert host.missing == host.sequence - len(accepted)
