"""What was said before is taken the short way, and what is known afterwards is the same."""

from datetime import date, timedelta
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from agent.report import Report, Value
from server.fleet.absorbing import KnownKey, absorb, key_id_of
from server.fleet.hosts import Host, HostState
from server.fleet.intake import Intake, Standing, digests_of, news
from server.fleet.receipt import Receipt
from tests.server.fleet.reports import a_key, a_report

FIRST = date(2026, 11, 1)
HOSTS = ("0a" * 16, "0b" * 16, "0c" * 16)
SAYINGS: tuple[tuple[dict[str, Value], dict[str, str]], ...] = (
    ({"device.firmware": "5.7.4", "piv.pin.tries": 3}, {}),
    ({"device.firmware": "5.7.4", "piv.pin.tries": 2}, {}),
    ({"device.firmware": "5.4.3", "piv.pin.tries": 3, "fido.pin_set": True}, {}),
    ({"device.firmware": "5.7.4"}, {"piv": "in-use"}),
    ({"piv.pin.tries": 3}, {"device": "timeout"}),
)


class Said(NamedTuple):
    """A word of a host: what, how many days after its last one, how many of them it was away."""

    host: int
    saying: int
    days: int
    away: int


words = st.lists(
    st.builds(
        Said,
        st.integers(0, len(HOSTS) - 1),
        st.integers(0, len(SAYINGS) - 1),
        st.integers(0, 2),
        st.integers(0, 3),
    ),
    max_size=14,
)


def reports_of(said: list[Said]) -> list[tuple[Report, date]]:
    """Return reports and the days of their taking: no clock and no host's memory goes back."""
    today, seen, made = FIRST, dict.fromkeys(HOSTS, FIRST), []
    for number, word in enumerate(said, 1):
        today += timedelta(word.days)
        host = HOSTS[word.host]
        seen[host] = max(seen[host], today - timedelta(word.away))
        key = a_key(*SAYINGS[word.saying], last_seen=seen[host])
        made.append((a_report(key, sequence=number, host=host, day=today), today))
    return made


class Store(NamedTuple):
    """As little of a store as there can be."""

    hosts: dict[str, Host]
    standings: dict[str, Standing]
    keys: dict[str, KnownKey]


def take(store: Store, report: Report, today: date) -> bool:
    """Take a report as the stores do; return whether it was taken the short way."""
    digests = digests_of(report)
    known = news([report], store.standings, today)
    fetched = {key_id: store.keys[key_id] for key_id in known}
    intake = Intake(store.hosts, store.standings, fetched, today)
    short = intake.is_repeat(report, digests)
    assert intake.take(report, digests) is Receipt.NEW
    store.hosts.update(intake.hosts)
    for key_id, changed in intake.changed.items():
        store.keys[key_id], store.standings[key_id] = changed.key, changed.standing
    assert not (short and intake.changed)
    for key_id, standing in intake.later.items():
        from server.fleet.absorbing import said_again  # noqa: PLC0415

        store.keys[key_id] = said_again(store.keys[key_id], standing.said, standing.last_seen)
        store.standings[key_id] = standing
    return short


@given(words)
def test_a_word_that_comes_again_leaves_what_looking_at_it_would_leave(said: list[Said]) -> None:
    hosts = {one: Host(one, "", b"", HostState.ACTIVE, "", "", 0) for one in HOSTS}
    store = Store(hosts, {}, {})
    plain: KnownKey | None = None
    for report, today in reports_of(said):
        take(store, report, today)
        (key,) = report.keys
        plain = absorb(plain, key, report.host, report.day, today=today).key
        kept = store.keys[key_id_of(key.identity, report.host)]
        assert kept.facts == plain.facts
        assert kept.unreadable == plain.unreadable
        assert (kept.first_seen, kept.last_seen) == (plain.first_seen, plain.last_seen)


def test_the_usual_report_is_taken_the_short_way_on_whatever_day() -> None:
    store = Store({HOSTS[0]: Host(HOSTS[0], "", b"", HostState.ACTIVE, "", "", 0)}, {}, {})
    usual = [Said(0, 0, days, 0) for days in (0, 0, 1, 0, 2)]
    short = [take(store, report, today) for report, today in reports_of(usual)]
    assert short == [False, True, True, True, True]
    (key,) = store.keys.values()
    assert {fact.day for fact in key.facts.values()} == {FIRST + timedelta(3)}


def test_what_somebody_else_says_is_looked_at_and_so_is_what_comes_after_it() -> None:
    hosts = {one: Host(one, "", b"", HostState.ACTIVE, "", "", 0) for one in HOSTS}
    store = Store(hosts, {}, {})
    said = [Said(0, 0, 0, 0), Said(1, 0, 0, 0), Said(0, 0, 0, 0), Said(0, 0, 0, 0)]
    assert [take(store, *one) for one in reports_of(said)] == [False, False, False, True]
