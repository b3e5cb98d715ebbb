"""The ledger of many processes reads as one, in order, and what is missing from it shows."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.ledger import Clock, LedgerError, LedgerWriter, files, merged, moments, unclosed
from loadtest.records import Behaviour, Record, digest

A_RECORD = Record(1000, 10, Behaviour.VALID, 7, True, "cc", (1, 2), digest("n"), 200, "OK", True)


def written(folder: Path, name: str, *records: Record) -> Path:
    with LedgerWriter(folder, name) as ledger:
        for record in records:
            ledger.append(record)
    return folder / f"{name}.ledger"


def at(sent_us: int, took_us: int) -> Record:
    return A_RECORD._replace(sent_us=sent_us, took_us=took_us)


def test_the_records_of_all_processes_come_in_the_order_of_their_answers(tmp_path: Path) -> None:
    written(tmp_path, "process-0", at(0, 10), at(5, 20), at(30, 70))
    written(tmp_path, "process-1", at(1, 1), at(20, 10))
    assert [one.answered_us for one in merged(tmp_path)] == [2, 10, 25, 30, 100]
    assert unclosed(tmp_path) == []


def test_a_process_writes_to_a_file_that_nobody_else_has(tmp_path: Path) -> None:
    written(tmp_path, "process-0")
    with pytest.raises(FileExistsError):
        LedgerWriter(tmp_path, "process-0")


def test_a_ledger_that_was_closed_takes_nothing_more(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path, "process-0") as ledger:
        ledger.append(A_RECORD)
    with pytest.raises(OSError, match="descriptor"):
        ledger.append(A_RECORD)


def test_a_process_that_was_killed_leaves_whole_lines_and_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path, "process-0", at(0, 1), at(1, 1), at(2, 1))
    whole = path.read_bytes()
    for length in range(len(whole.rpartition(b"closed")[0]), 0, -1):
        path.write_bytes(whole[:length])
        assert unclosed(tmp_path) == ["process-0.ledger"]
        if b"\n" in whole[:length]:
            assert len(list(merged(tmp_path))) == whole[:length].count(b"\n") - 1
    assert files(tmp_path) == [path]


@pytest.mark.parametrize("damage", ["remove", "repeat", "swap", "append", "header", "letter"])
def test_a_ledger_that_was_altered_is_refused(tmp_path: Path, damage: str) -> None:
    path = written(tmp_path, "process-0", at(0, 1), at(5, 1), at(9, 1))
    lines = path.read_text().splitlines(keepends=True)
    altered = {
        "remove": [*lines[:2], *lines[3:]],
        "repeat": [*lines[:2], *lines[1:]],
        "swap": [lines[0], lines[2], lines[1], *lines[3:]],
        "append": [*lines, lines[3]],
        "header": lines[1:],
        "letter": [*lines[:2], lines[2].replace("OK", "KO"), *lines[3:]],
    }[damage]
    path.write_text("".join(altered))
    with pytest.raises(LedgerError):
        list(merged(tmp_path))


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 100)), max_size=50))
def test_moments_come_in_order_of_time_and_none_is_lost(spans: list[tuple[int, int]]) -> None:
    records = sorted((at(*span) for span in spans), key=lambda one: one.answered_us)
    longest_us = max((one.took_us for one in records), default=0)
    played = list(moments(records, longest_us))
    times = [(one.at_us, one.answered) for one in played]
    assert times == sorted(times)
    sent = sorted(one.record.sent_us for one in played if not one.answered)
    answered = sorted(one.record.answered_us for one in played if one.answered)
    assert sent == sorted(one.sent_us for one in records)
    assert answered == [one.answered_us for one in records]


def test_all_processes_of_a_run_share_a_clock() -> None:
    clock = Clock.now_is()
    other = Clock(*clock)
    assert clock.now_us() <= other.now_us() <= clock.now_us()
