import os
import sqlite3
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from agent.attached import SeenKey
from agent.composing import Host, digest_of, of_key, reports_of
from agent.findings import Findings
from agent.policy import LOCAL
from agent.report import Report, parse
from agent.store import FILE, StoreError
from tests.agent.closing import opened

DAY = date(2026, 11, 27)
HOST = Host("ab" * 16, "0.1.0", "linux", "Debian", {})


def key(serial: int = 7, **facts: bool) -> SeenKey:
    return SeenKey(f"serial:{serial}", Findings({"device.firmware": "5.4.3", **facts}, {}, serial))


def one_report(sequence: int, dropped: int) -> list[Report]:
    return reports_of(
        HOST,
        [],
        day=DAY,
        next_sequence=sequence,
        dropped=dropped,
        new_id=lambda: os.urandom(16).hex(),
    )


def test_reports_come_oldest_first_and_go_when_they_are_done(tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert [store.put(one_report, {}) for _ in range(3)] == [1, 2, 3]
    first = store.oldest()
    assert first is not None
    assert parse(first.body).sequence == first.sequence == 1
    store.done(first.report_id, {"delivered_at": "now"})
    assert [one.sequence for one in store.waiting()] == [2, 3]
    assert store.note("delivered_at") == "now"


def test_what_was_stored_is_there_for_the_next_process(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.put(one_report, {})
    second = opened(tmp_path)
    assert second.put(one_report, {}) == 2
    assert second.count() == 2


def test_whoever_looks_takes_nothing_from_under_an_agent_that_has_several_connections(
    tmp_path: Path,
) -> None:
    """To close a file takes this process's locks on it away: the next to close it would tidy up."""
    agent, sender = opened(tmp_path), opened(tmp_path)
    look = "import pathlib, sys, agent.store as s; one = s.Store(pathlib.Path(sys.argv[1]));"
    command = [sys.executable, "-c", f"{look} print(one.count()); one.close()", str(tmp_path)]
    for number in (1, 2, 3):
        agent.put(one_report, {})
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert int(done.stdout) == sender.count() == number


def test_a_full_outbox_gives_up_the_oldest_and_says_how_many(tmp_path: Path) -> None:
    store = opened(tmp_path, max_waiting=3)
    for _ in range(5):
        store.put(one_report, {})
    waiting = [parse(one.body) for one in store.waiting()]
    assert [one.sequence for one in waiting] == [3, 4, 5]
    assert [one.dropped for one in waiting] == [0, 1, 2]


def test_another_enrolment_begins_at_one_and_tells_all_again(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.begin("a" * 32)
    store.remember([key()], DAY)
    ((known, _said),) = store.known(DAY, frozenset())
    digest = digest_of(of_key(known, LOCAL, b""))
    store.put(one_report, {"serial:7": digest})
    store.begin("a" * 32)
    assert store.count() == 1
    store.begin("b" * 32)
    assert store.count() == 0
    assert store.put(one_report, {}) == 1
    ((_known, said),) = store.known(DAY, frozenset())
    assert said == ""


def test_a_key_is_remembered_as_it_was_read_last(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.remember([key(pin=True)], DAY)
    store.remember([key(pin=False)], date(2026, 11, 28))
    store.remember([SeenKey("serial:7", Findings({}, {"piv": "in-use"}, 7))], date(2026, 11, 29))
    ((known, said),) = store.known(DAY, frozenset({"serial:7"}))
    assert known.key == key(pin=False)
    assert (known.last_seen, known.attached, said) == (date(2026, 11, 28), True, "")


def test_keys_that_were_not_seen_for_long_are_forgotten(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.remember([key(7)], DAY)
    later = DAY + timedelta(days=60)
    store.remember([key(8)], later)
    for number in range(32):
        store.tidy(later + timedelta(days=number), frozenset())
    assert [known.key.name for known, _said in store.known(DAY, frozenset())] == ["serial:8"]


def test_lists_of_words_come_back_as_they_were(tmp_path: Path) -> None:
    store = opened(tmp_path)
    seen = SeenKey("serial:7", Findings({"device.usb.enabled": ("otp", "piv")}, {}, 7))
    store.remember([seen], DAY)
    ((known, _said),) = store.known(DAY, frozenset())
    assert known.key == seen


def test_a_report_that_does_not_fit_the_disk_is_an_error_that_loses_nothing(
    tmp_path: Path,
) -> None:
    store = opened(tmp_path)
    store.put(one_report, {})
    store._connection.execute("PRAGMA max_page_count = 8")

    def fill() -> None:
        for _ in range(200):
            store.put(one_report, {})

    with pytest.raises(StoreError, match="full"):
        fill()
    waiting = [parse(one.body).sequence for one in store.waiting()]
    assert waiting == list(range(1, len(waiting) + 1))
    store._connection.execute("PRAGMA max_page_count = 1000")
    assert store.put(one_report, {}) == len(waiting) + 1


def test_the_store_is_for_its_owner_alone(tmp_path: Path) -> None:
    opened(tmp_path / "agent")
    assert (tmp_path / "agent").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "agent" / FILE).stat().st_mode & 0o777 == 0o600


def test_a_directory_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be used"):
        opened(tmp_path / "file")


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="not a database"):
        opened(tmp_path)


def test_a_killed_transaction_leaves_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)

    def fail(_sequence: int, _dropped: int) -> list[Report]:
        raise sqlite3.OperationalError("power was lost")

    with pytest.raises(StoreError):
        store.put(fail, {})
    assert store.put(one_report, {}) == 1
