"""Stages of a product's life: by line, by firmware, from a day on, and unknown where that is."""

from datetime import date, timedelta

import pytest

from agent.report import Identity, KeyReport, Value
from server.fleet.advisory_file import AdvisoryFile, read_document, shipped
from server.fleet.health import Level
from server.fleet.health_rules import HealthRules, read_rules
from server.fleet.lifecycle import LEVELS, Lifecycle, Stage
from server.fleet.observed import key_facts
from server.fleet.rulebook import Reached, Rulebook
from server.journal.canonical import MalformedError
from tests.server.fleet.advisory_files import document

TODAY = date(2026, 11, 27)
HISTORICAL = date(2026, 9, 22)
FIPS: dict[str, Value] = {
    "device.form_factor": "usb-a-keychain",
    "device.fips_series": True,
    "device.security_key_series": False,
    "device.firmware": "5.4.3",
}


def key(**changes: Value) -> KeyReport:
    facts = {**FIPS, **{f"device.{name}": value for name, value in changes.items()}}
    return KeyReport(Identity(serial=1), TODAY, None, facts, {})


def entry(**changes: object) -> dict[str, object]:
    return {
        "line": "YubiKey NEO",
        "firmware": None,
        "rule": "end-of-life",
        "text": "No support any more",
        "day": "2026-11-27",
        "source": "example.org",
    } | changes


def file_of(*entries: dict[str, object]) -> AdvisoryFile:
    return read_document(document(lifecycle=list(entries)))


def rules(
    report: KeyReport,
    file: AdvisoryFile | None = None,
    today: date = TODAY,
    own: HealthRules | None = None,
) -> dict[str, Level]:
    book = Rulebook(file or shipped(), own or HealthRules(), today)
    found = book.judge(report, today).faults
    return {fault.rule.name: fault.rule.level for fault in found}


def unknown(report: KeyReport, file: AdvisoryFile | None = None) -> set[str]:
    book = Rulebook(file or shipped(), HealthRules(), TODAY)
    return {rule.name for rule in book.judge(report, TODAY).unreadable}


@pytest.mark.parametrize(
    ("report", "historical"),
    [
        (key(), True),
        (key(firmware="5.4.0"), True),
        (key(firmware="5.40.0"), False),
        (key(firmware="5.7.4"), False),
        (key(fips_series=False), False),
        (key(form_factor="usb-c-bio"), False),
    ],
)
def test_what_ships_finds_the_fips_keys_whose_certificate_is_historical(
    report: KeyReport, *, historical: bool
) -> None:
    assert ("fips-historical" in rules(report)) is historical


def test_it_is_found_from_its_day_on_and_is_coming_before() -> None:
    assert "fips-historical" in rules(key(), today=HISTORICAL)
    eve = HISTORICAL - timedelta(1)
    assert "fips-historical" not in rules(key(), today=eve)
    book = Rulebook(shipped(), HealthRules(), eve)
    (stage,) = book.life(key_facts(key()), eve)
    assert (stage.entry.stage, stage.reached) == (Stage.FIPS_HISTORICAL, Reached.COMING)


def test_a_key_that_may_be_of_another_line_is_unknown_not_sound() -> None:
    perhaps = KeyReport(
        Identity(serial=1),
        TODAY,
        None,
        {name: value for name, value in FIPS.items() if name != "device.fips_series"},
        {},
    )
    assert "fips-historical" not in rules(perhaps)
    assert "fips-historical" in unknown(perhaps)
    assert "fips-historical" in unknown(KeyReport(Identity(serial=1), TODAY, None, {}, {}))


def test_a_preview_is_unknown_whatever_version_it_names() -> None:
    for firmware in ("5.4.3", "5.7.2"):
        preview = key(firmware=firmware, firmware_stage="beta")
        assert "fips-historical" not in rules(preview)
        assert "fips-historical" in unknown(preview)


@pytest.mark.parametrize("firmware", ["5.4.3", "5.4.99", "5.40.0", "5.5.0", "54.0.0", "5.7.4", "x"])
def test_a_verdict_is_the_same_whether_a_key_is_looked_at_closely_or_not(firmware: str) -> None:
    report = key(firmware=firmware)
    book = Rulebook(shipped(), HealthRules(), TODAY)
    closely = book.life(key_facts(report), TODAY)
    found = {one.rule.name for one in book.judge(report, TODAY).faults}
    reached = {one.entry.stage.value for one in closely if one.reached is Reached.YES}
    assert found == reached - {Stage.FIPS_VALIDATED}
    unsure = {one.entry.stage.value for one in closely if one.reached is Reached.UNKNOWN}
    named = {one.name for one in book.judge(report, TODAY).unreadable}
    assert named & set(Stage) == unsure - {Stage.FIPS_VALIDATED}


def test_what_is_good_is_shown_and_is_no_fault() -> None:
    validated = key(firmware="5.7.4")
    assert rules(validated) == {}
    book = Rulebook(shipped(), HealthRules(), TODAY)
    stages = [one.entry.stage for one in book.life(key_facts(validated), TODAY)]
    assert stages == [Stage.FIPS_VALIDATED]


def test_a_line_of_any_firmware_ends_as_a_whole() -> None:
    neo = KeyReport(Identity(serial=1), TODAY, None, {"device.firmware": "3.4.9"}, {})
    file = file_of(entry())
    assert rules(neo, file) == {"end-of-life": Level.WARNING}
    assert rules(key(), file) == {}


def test_an_organisation_switches_stages_off_or_makes_them_worse() -> None:
    off = read_rules({"rules": {"fips-historical": {"enabled": False}}})
    assert rules(key(), own=off) == {}
    worse = read_rules({"rules": {"fips-historical": {"level": "danger"}}})
    assert rules(key(), own=worse) == {"fips-historical": Level.DANGER}


@pytest.mark.parametrize(
    "wrong",
    [
        entry(line="YubiKey 9"),
        entry(rule="end-of-days"),
        entry(firmware="new"),
        entry(firmware=5),
        entry(day="soon"),
        entry(day="20261127"),
        entry(text="two\nlines"),
        entry(more=1),
    ],
)
def test_a_stage_that_is_not_understood_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        Lifecycle.of_json(wrong)


def test_a_stage_is_written_as_it_is_read() -> None:
    for one in (*shipped().lifecycle, Lifecycle.of_json(entry())):
        assert Lifecycle.of_json(one.to_json()) == one
    assert set(LEVELS) == set(Stage)


def test_the_stamp_changes_with_rules_advisories_and_days_that_matter() -> None:
    file, none = shipped(), HealthRules()
    stamp = Rulebook(file, none, TODAY).stamp
    assert Rulebook(file, none, TODAY + timedelta(1)).stamp == stamp
    assert Rulebook(file, none, HISTORICAL - timedelta(1)).stamp != stamp
    assert Rulebook(file, read_rules({"thresholds": {"tries": 2}}), TODAY).stamp != stamp
    assert Rulebook(read_document(document()), none, TODAY).stamp != stamp
