"""Faults that last: a server that is away for a week, clocks that jump, services that fail."""

import random
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.attached import SeenKey
from agent.backoff import Backoff
from agent.days import KEEP, gone_on, is_believable
from agent.findings import Findings
from agent.ports import PcscAwayError, ReaderState
from agent.report import Report
from agent.store import FILE, MAX_KEYS_KNOWN, StoreError
from agent.watcher import Watcher
from tests.agent.closing import opened
from tests.agent.fleet_server import FleetServer
from tests.agent.recorded_card import RecordedCard
from tests.agent.simulated import SimulatedAgent, state
from tests.agent.test_probing import KEY
from tests.agent.test_uplink import enrolled
from tests.system.small_disk import small_disk

HOUR_S, DAY_S = 3600.0, 86_400.0
TODAY = date(2026, 11, 27)
SERIAL = "serial:12345678"


@pytest.fixture
def server() -> Iterator[FleetServer]:
    with FleetServer() as started:
        started.tokens["a token"] = "laptop"
        yield started


@pytest.fixture
def nobody() -> Iterator[str]:
    """Return where no server is."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
def begin(tmp_path: Path, server: FleetServer) -> Iterator[Callable[[str], SimulatedAgent]]:
    """Return what begins an agent, that asks at an address."""
    begun: list[SimulatedAgent] = []

    def start(url: str) -> SimulatedAgent:
        identity = enrolled(tmp_path, server.url)
        begun.append(SimulatedAgent(tmp_path, identity, url, RecordedCard(KEY)))
        return begun[-1]

    yield start
    for one in begun:
        one.close()


Begin = Callable[[str], SimulatedAgent]


def days_of(reports: list[Report]) -> list[date]:
    return [key.last_seen for report in reports for key in report.keys]


def test_a_server_that_is_away_for_a_week_loses_no_report_and_is_not_besieged(
    begin: Begin, server: FleetServer, nobody: str
) -> None:
    agent = begin(nobody)
    agent.plug_in()
    for _ in range(7):
        agent.live(DAY_S)
        agent.day += timedelta(days=1)
    made = int(agent.store.note("sequence"))
    assert 7 * 22 <= made <= 7 * 27
    # An hour at most between two tries, half of it on average; and a handful at the beginning.
    assert 7 * 24 <= agent.tries <= 7 * 24 * 3
    # It wakes every ten seconds, to look for FIDO devices, and when something is due.
    assert agent.steps <= 7 * DAY_S / 10 + 3 * (made + agent.tries) + 20
    agent.ask_at(server.url)
    agent.live(HOUR_S)
    assert [one.sequence for one in server.reports][:made] == list(range(1, made + 1))
    assert agent.store.count() == 0


def test_on_a_full_disk_keys_are_watched_on_and_told_of_when_there_is_room(
    tmp_path: Path, server: FleetServer
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        identity = enrolled(disk.folder, server.url)
        agent = SimulatedAgent(disk.folder, identity, server.url, RecordedCard(KEY))
        agent.live(HOUR_S / 2)
        told, steps = len(server.reports), agent.steps
        agent.store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        disk.fill()
        agent.plug_in()
        agent.live(3 * HOUR_S)
        assert len(server.reports) == told
        (slot,) = agent.agent._slots.slots.values()
        assert slot.findings is not None
        # It wakes every ten seconds anyway, and tries to store a report each minute.
        assert agent.steps - steps <= 3 * HOUR_S / 10 + 3 * 60 * 2
        disk.make_room()
        agent.live(120.0)
        agent.close()
        agent.store.close()
    sequences = [one.sequence for one in server.reports]
    assert sequences == list(range(1, len(sequences) + 1))
    assert len(server.reports[-1].keys) == 1


def test_a_key_is_read_once_a_day_and_told_in_every_report(
    begin: Begin, server: FleetServer
) -> None:
    agent = begin(server.url)
    agent.plug_in()
    agent.live(2.5 * DAY_S)
    (slot,) = agent.agent._slots.slots.values()
    assert slot.findings is not None
    assert all(len(one.keys) == 1 for one in server.reports[1:])
    assert len(server.reports) <= 2.5 * 27


@pytest.mark.parametrize("day", [date(2099, 12, 31), date(1970, 1, 1)], ids=["ahead", "behind"])
def test_a_clock_that_jumps_changes_a_reports_day_and_nothing_that_is_known(
    begin: Begin, server: FleetServer, day: date
) -> None:
    agent = begin(server.url)
    agent.plug_in()
    agent.live(HOUR_S)
    agent.pull()
    agent.day = day
    agent.live(6 * HOUR_S)
    jumped = server.reports[-1]
    assert jumped.day == day
    assert len(jumped.keys) == 1
    agent.day = TODAY
    agent.live(2 * HOUR_S)
    (key,) = server.reports[-1].keys
    assert key.last_seen == TODAY
    assert (server.reports[-1].day, agent.store.note("dropped", "0")) == (TODAY, "0")
    sequences = [one.sequence for one in server.reports]
    assert sequences == list(range(1, len(sequences) + 1))


def test_a_key_that_was_seen_by_a_clock_that_was_ahead_was_not_seen_in_days_to_come(
    begin: Begin, server: FleetServer
) -> None:
    agent = begin(server.url)
    agent.day = date(2099, 12, 31)
    agent.plug_in()
    agent.live(HOUR_S)
    agent.pull()
    agent.live(60.0)
    agent.day = TODAY
    agent.live(HOUR_S * 1.5)
    assert server.reports[-1].keys[0].last_seen == TODAY
    agent.day = TODAY + timedelta(days=30)
    agent.live(HOUR_S * 1.5)
    assert server.reports[-1].keys[0].last_seen == TODAY


def test_a_monotonic_clock_that_leaps_makes_one_report_and_no_flood(
    begin: Begin, server: FleetServer
) -> None:
    agent = begin(server.url)
    agent.plug_in()
    agent.live(HOUR_S / 2)
    before, steps = len(server.reports), agent.steps
    agent.now += 30 * DAY_S
    agent.live(60.0)
    assert len(server.reports) == before + 1
    assert agent.steps - steps < 20


@given(st.lists(st.dates(date(1970, 1, 1), date(2200, 1, 1)), max_size=8), st.integers(0, 80))
def test_no_jumps_of_a_clock_have_the_calendar_end_what_is_to_be_kept(
    jumps: list[date], later: int
) -> None:
    calendar = TODAY
    for day in [*jumps, TODAY + timedelta(days=later)]:
        calendar = gone_on(calendar, day)
    assert calendar - KEEP <= TODAY
    assert not is_believable(date(2016, 1, 1))


def test_a_device_that_names_itself_anew_each_time_fills_neither_disk_nor_reports(
    tmp_path: Path,
) -> None:
    store = opened(tmp_path)
    serials = (12345678, *range(1, MAX_KEYS_KNOWN * 2))
    facts = {"device.firmware": "5.7.4"}
    keys = [SeenKey(f"serial:{serial}", Findings({**facts}, {}, serial)) for serial in serials]
    store.remember(keys, TODAY)
    store.tidy(TODAY, frozenset({SERIAL}))
    known = {one.key.name for one, _said in store.known(store.since(TODAY), frozenset())}
    assert len(known) == MAX_KEYS_KNOWN
    assert SERIAL in known
    assert f"serial:{2 * MAX_KEYS_KNOWN - 1}" in known


def test_a_store_that_somebody_else_has_locked_is_said_and_goes_on_after(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store._connection.execute("PRAGMA busy_timeout = 20")
    key = SeenKey(SERIAL, Findings({"device.firmware": "5.7.4"}, {}, 12345678))
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="locked"):
            store.remember([key], TODAY)
        other.execute("ROLLBACK")
    store.remember([key], TODAY)
    assert len(store.known(TODAY, frozenset())) == 1


class FaultyReaders:
    """A PC/SC service's driver with a fault. wait: what becomes of waiting."""

    def __init__(self, wait: Callable[[], bool]) -> None:
        self._wait = wait
        self.looks = 0
        self.closed = 0

    def look(self) -> Mapping[str, ReaderState]:
        self.looks += 1
        return {"a reader": state()}

    def wait(self, known: Mapping[str, ReaderState], timeout_s: float) -> bool:
        del known, timeout_s
        return self._wait()

    def cancel(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


def waited_by(wait: Callable[[], bool], looks: int) -> tuple[float, FaultyReaders, list[str]]:
    """Return for how long a watcher waited, in all, between so many looks at such readers."""
    readers, away = FaultyReaders(wait), list[str]()
    waits: list[float] = []
    enough = threading.Event()

    def pause(stopped: threading.Event, seconds: float) -> None:
        waits.append(seconds)
        if readers.looks >= looks:
            enough.set()
            stopped.wait(10)

    dice = random.Random(3)  # noqa: S311 - jitter
    watcher = Watcher(
        lambda: readers, lambda _states: None, away.append, Backoff(dice, 30.0), pause
    )
    watcher.start()
    assert enough.wait(10)
    watcher.stop()
    return sum(waits), readers, away


def test_a_service_that_fails_whenever_it_is_waited_for_is_asked_ever_more_rarely() -> None:
    def fail() -> bool:
        raise PcscAwayError("it went away")

    waited_s, readers, away = waited_by(fail, 40)
    assert waited_s > 40 * 5.0
    assert readers.closed == readers.looks == len(away)


def test_a_driver_that_tells_of_changes_that_are_none_is_believed_ever_more_rarely() -> None:
    waited_s, readers, _away = waited_by(lambda: True, 40)
    assert waited_s > 40 * 3.0
    assert readers.closed == 1
