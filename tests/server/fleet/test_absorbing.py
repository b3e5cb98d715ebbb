"""What is known of a key: the newest word counts, and silence makes nobody forget."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from agent.report import Identity, KeyReport
from server.fleet.absorbing import (
    Absorbed,
    Change,
    KnownKey,
    absorb,
    as_report,
    key_id_of,
)
from server.fleet.claims import DISPUTED
from tests.server.fleet.reports import HEALTHY, HOST, TODAY, a_key

OTHER = "1e" * 16


def first(report: KeyReport | None = None) -> KnownKey:
    return absorb(None, report or a_key(), HOST, TODAY, today=TODAY).key


def then(known: KnownKey, report: KeyReport, days: int = 1, host: str = HOST) -> Absorbed:
    day = TODAY + timedelta(days)
    return absorb(known, report._replace(last_seen=day), host, day, today=day)


def test_the_first_report_is_all_that_is_known_and_changes_nothing() -> None:
    absorbed = absorb(None, a_key(), HOST, TODAY, today=TODAY)
    assert absorbed.changes == ()
    assert {name: fact.value for name, fact in absorbed.key.facts.items()} == HEALTHY
    assert (absorbed.key.first_seen, absorbed.key.last_seen) == (TODAY, TODAY)


def test_a_fact_that_is_another_one_is_a_change() -> None:
    later = then(first(), a_key({**HEALTHY, "piv.pin.tries": 1}))
    assert later.changes == (Change("piv.pin.tries", 3, 1),)
    assert later.key.facts["piv.pin.tries"].day == TODAY + timedelta(1)


def test_truth_and_one_are_not_the_same_value() -> None:
    later = then(first(a_key({"fido.pin_tries": 1})), a_key({"fido.pin_tries": True}))
    assert later.changes == (Change("fido.pin_tries", 1, after=True),)


def test_what_could_not_be_read_this_time_keeps_its_value_and_day() -> None:
    facts = {name: value for name, value in HEALTHY.items() if not name.startswith("piv")}
    later = then(first(), a_key(facts, {"piv": "in-use"}), host=OTHER)
    assert later.changes == ()
    kept = later.key.facts["piv.pin.tries"]
    assert (kept.value, kept.day, kept.host_id) == (3, TODAY, HOST)
    assert later.key.unreadable == {"piv": "in-use"}


def test_what_the_key_has_no_more_is_gone() -> None:
    facts = {name: value for name, value in HEALTHY.items() if not name.startswith("piv")}
    gone = {"piv.certificate.9a.expires", "piv.pin.default", "piv.pin.tries"}
    for unreadable in ({}, {"piv": "absent"}):
        later = then(first(), a_key(facts, unreadable))
        assert {change.fact for change in later.changes} == gone
        assert all(change.after is None for change in later.changes)


def test_a_clock_that_is_ahead_sees_nothing_later_than_today() -> None:
    ahead = date(9999, 12, 31)
    known = absorb(None, a_key(last_seen=ahead), HOST, ahead, today=TODAY).key
    assert known.last_seen == TODAY
    assert {fact.day for fact in known.facts.values()} == {TODAY}


def test_a_late_report_does_not_turn_days_back() -> None:
    known = then(first(), a_key(), days=-5).key
    assert (known.first_seen, known.last_seen) == (TODAY - timedelta(5), TODAY)


def test_keys_without_a_number_are_told_apart_by_host() -> None:
    nameless = Identity(kind="ab" * 32)
    assert key_id_of(nameless, HOST) != key_id_of(nameless, OTHER)
    for identity in (Identity(serial=1), Identity(serial_hash="ab" * 32)):
        assert key_id_of(identity, HOST) == key_id_of(identity, OTHER)


def test_what_another_host_read_later_is_not_undone_by_who_repeats_what_it_read() -> None:
    mended = then(first(a_key({**HEALTHY, "piv.pin.default": True})), a_key(), host=OTHER).key
    assert mended.facts["piv.pin.default"].value is False
    repeated = a_key({**HEALTHY, "piv.pin.default": True})  # seen by HOST a day before
    day = TODAY + timedelta(2)
    again = absorb(mended, repeated, HOST, day, today=day)
    assert again.changes == ()
    assert again.key.facts["piv.pin.default"].host_id == OTHER
    silent = absorb(mended, a_key({}), HOST, day, today=day)
    assert silent.key.facts["piv.pin.default"].value is False


def test_an_older_report_brings_back_no_reasons_of_its_day() -> None:
    known = then(first(), a_key(), host=OTHER).key
    older = absorb(known, a_key({}, {"piv": "in-use"}), HOST, TODAY, today=TODAY + timedelta(2))
    assert older.key.unreadable == {}


def test_facts_are_named_by_us_in_no_report() -> None:
    assert not as_report(first(a_key({**HEALTHY, DISPUTED: ()}))).facts.keys() & {DISPUTED}


values = st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "b"])
facts = st.dictionaries(st.sampled_from(["a.a", "a.b", "b.a", "b.b"]), values)
reasons = st.dictionaries(st.sampled_from(["a", "b", "a.a"]), st.sampled_from(["in-use", "absent"]))


@given(st.lists(st.tuples(facts, reasons), min_size=1, max_size=6))
def test_changes_lead_from_what_was_known_to_what_is(
    reports: list[tuple[dict[str, bool | int | str], dict[str, str]]],
) -> None:
    known = None
    told: dict[str, object] = {}
    for found, why in reports:
        absorbed = absorb(known, a_key(found, why), HOST, TODAY, today=TODAY)
        if known is None:
            told = dict(absorbed.key.facts and as_report(absorbed.key).facts)
        for change in absorbed.changes:
            assert told.get(change.fact) == change.before
            if change.after is None:
                del told[change.fact]
            else:
                told[change.fact] = change.after
        known = absorbed.key
        assert told == as_report(known).facts
