"""Every advisory that ships against what was collected of it: lines, versions, and conditions.

What is expected is computed from the collected file alone, by other means: ranges as tuples,
and conditions by every world that what is known leaves possible.
"""

import json
from collections.abc import Callable, Iterator
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from agent.report import Identity, KeyReport, Value
from server.fleet.advisory_file import shipped
from server.fleet.exposure import Affected, Exposed, judge
from server.fleet.firmware import Version, parse_beginning
from server.fleet.key_facts import Algorithm, Application, HeldKey, KeyFacts, Slots
from server.fleet.observed import key_facts
from server.fleet.product_lines import ProductLine
from server.fleet.software import Release

COLLECTED = json.loads(Path(__file__).with_name("advisories_collected.json").read_text("utf-8"))
FIRMWARE = {one["id"]: one for one in COLLECTED["firmware"]}
SHIPPED = {one.advisory_id: one for one in shipped().advisories}
NUMBERS = tuple[int, int, int]

LINES = {"YubiKey 4 Nano": "YubiKey 4", "YubiKey 4C": "YubiKey 4", "YubiKey 5 NFC": "YubiKey 5"}
"""Names of products that are of another line's firmware."""

UNCONFIRMED = {"YSA-2018-01"}
"""Whose range nobody confirmed: such a key is unknown, never affected nor clear."""

NOT_ATTACHED = {"YubiHSM 2", "YubiHSM 2 FIPS"}


class Line(NamedTuple):
    """A line as its keys report themselves. majors: of its firmware."""

    name: str
    facts: dict[str, Value]
    minors: range
    major: int
    cspn: bool = False

    def key(self, version: NUMBERS, *, nfc: bool, applet: NUMBERS | None = None) -> KeyFacts:
        facts = {**self.facts, "device.firmware": ".".join(map(str, version))}
        if "device.usb.supported" in facts and nfc:
            facts["device.nfc.supported"] = ("fido2", "otp")
        if applet is not None:
            facts["openpgp.version"] = ".".join(map(str, applet))
        report = KeyReport(Identity(serial=1), date(2026, 11, 27), None, facts, {})
        return key_facts(report, cspn=self.cspn)


def told(**changes: Value) -> dict[str, Value]:
    """Return what READ CONFIG tells of a key's line."""
    facts: dict[str, Value] = {
        "device.form_factor": "usb-a-keychain",
        "device.fips_series": False,
        "device.security_key_series": False,
        "device.usb.supported": ("fido2", "otp"),
    }
    return facts | {f"device.{name}": value for name, value in changes.items()}


FOUR = told(form_factor="unknown")
KEYS = [
    Line("YubiKey NEO", {}, range(6), 3),
    Line("YubiKey 4", FOUR, range(4), 4),
    Line("YubiKey FIPS (4 Series)", FOUR, range(4, 5), 4),
    Line("YubiKey 5", told(), range(9), 5),
    Line("YubiKey 5 FIPS", told(fips_series=True), range(9), 5),
    Line("YubiKey 5 CSPN", told(), range(9), 5, cspn=True),
    Line("YubiKey Bio", told(form_factor="usb-c-bio"), range(9), 5),
    Line("Security Key", told(security_key_series=True), range(9), 5),
]
BY_NAME = {line.name: line for line in KEYS}


def numbers(text: str) -> NUMBERS:
    major, minor, patch = map(int, text.split("."))
    return major, minor, patch


def within(one: dict[str, Any], version: NUMBERS) -> bool:
    start, end = one.get("from"), one.get("below")
    after = start is None or numbers(start) <= version
    return after and (end is None or version < numbers(end))


def of_line(one: dict[str, Any], line: str) -> bool:
    name: str = one["line"]
    return LINES.get(name, name) == line


def expected(
    advisory: dict[str, Any], line: str, version: NUMBERS, applet: NUMBERS | None, *, nfc: bool
) -> Affected:
    named = [*advisory["products"], *advisory.get("unknown", ())]
    if line == "YubiKey 5 CSPN" and not any(of_line(one, line) for one in named):
        line = "YubiKey 5"
    for one in advisory["products"]:
        if not of_line(one, line) or (one["line"].endswith(" NFC") and not nfc):
            continue
        if one.get("component") == "OpenPGP applet":
            if applet is None:
                return Affected.UNKNOWN
            inside = within(one, applet)
        else:
            inside = within(one, version)
        if inside:
            return Affected.UNKNOWN if advisory["id"] in UNCONFIRMED else Affected.YES
    unclear = [one for one in advisory.get("unknown", ()) if of_line(one, line)]
    return Affected.UNKNOWN if any(within(one, version) for one in unclear) else Affected.NO


def test_what_ships_has_every_advisory_that_was_collected_and_no_other() -> None:
    assert list(SHIPPED) == list(FIRMWARE)
    for name, advisory in SHIPPED.items():
        collected = FIRMWARE[name]
        assert advisory.title == collected["title"]
        assert advisory.cve == collected.get("cve")
        assert advisory.critical is collected["critical"]
        assert advisory.source == collected["source"]
        lines = {LINES.get(one["line"], one["line"]) for one in collected["products"]}
        kept = {one.line.value for one in (*advisory.affects, *advisory.unclear)}
        assert kept == lines | {one["line"] for one in collected.get("unknown", ())}
        assert kept <= set(BY_NAME) | NOT_ATTACHED


@pytest.mark.parametrize("name", SHIPPED)
def test_every_line_and_version_is_judged_as_it_was_collected(name: str) -> None:
    applets = [None, (1, 0, 9), (1, 0, 10), (1, 0, 11)]
    for line, nfc in product(KEYS, (False, True)):
        for minor, patch in product(line.minors, range(11)):
            version = (line.major, minor, patch)
            for applet in applets if line.name == "YubiKey NEO" else applets[:1]:
                key = line.key(version, nfc=nfc, applet=applet)
                found = judge(SHIPPED[name], key)
                assert found.lines == {ProductLine(line.name)}
                wanted = expected(FIRMWARE[name], line.name, version, applet, nfc=nfc)
                assert found.affected is wanted, (line.name, version, applet, nfc)


def test_what_ships_has_the_software_that_was_collected() -> None:
    kept = {
        (one.advisory_id, one.package): (one.cve, one.start, one.end) for one in shipped().software
    }
    for one in COLLECTED["software"]:
        start = Release.parse(one["from"]) if "from" in one else None
        wanted = (one.get("cve"), start, Release.parse(one["below"]))
        assert kept.pop((one["id"], one["package"])) == wanted
        if "sdk_affected_through" in one:
            _, start, end = kept.pop((one["id"], "yubihsm-sdk"))
            year, month = map(int, one["sdk_affected_through"].split("."))
            assert (start, end) == (None, (year, month + 1))
    assert kept == {}


def test_what_ships_has_the_stages_that_were_collected() -> None:
    kept = [(one.line, one.firmware, one.text, str(one.day)) for one in shipped().lifecycle]
    wanted = [
        (ProductLine(one["line"]), parse_beginning(one["firmware"]), one["fact"], one["date"])
        for one in COLLECTED["lifecycle"]
    ]
    assert kept == wanted


def before(version: NUMBERS) -> NUMBERS:
    major, minor, patch = version
    if patch:
        return major, minor, patch - 1
    return (major, minor - 1, 999) if minor else (major - 1, 999, 999)


def boundaries() -> Iterator[tuple[str, str, NUMBERS, Affected]]:
    """Yield (advisory, line, version, verdict) at both ends of every range of firmware."""
    for name, advisory in FIRMWARE.items():
        for hit, products in (
            (Affected.YES, advisory["products"]),
            (Affected.UNKNOWN, advisory.get("unknown", ())),
        ):
            for one in products:
                line = LINES.get(one["line"], one["line"])
                if line in NOT_ATTACHED or one.get("component"):
                    continue
                if "from" in one:
                    yield name, line, numbers(one["from"]), hit
                    yield name, line, before(numbers(one["from"])), Affected.NO
                if "below" in one:
                    yield name, line, before(numbers(one["below"])), hit
                    yield name, line, numbers(one["below"]), Affected.NO


BOUNDARIES = sorted(set(boundaries()))


@pytest.mark.parametrize(("name", "line", "version", "wanted"), BOUNDARIES)
def test_a_range_ends_where_it_ends(
    name: str, line: str, version: NUMBERS, wanted: Affected
) -> None:
    if line == "YubiKey FIPS (4 Series)" and version[1] != 4:
        pytest.fail("no range of that line ends outside of its firmware")
    assert judge(SHIPPED[name], BY_NAME[line].key(version, nfc=True)).affected is wanted


def test_every_range_that_was_collected_has_its_ends_among_the_boundaries() -> None:
    assert len(BOUNDARIES) == 58
    assert {name for name, *_ in BOUNDARIES} == set(FIRMWARE) - {"YSA-2015-1", "YSA-2018-01"}


# Conditions: what is known of how a key is used, and every world that it leaves possible.

ANY = frozenset(Application)
ENABLED = [None, frozenset[Application](), ANY, ANY - {Application.FIDO2, Application.U2F}] + [
    frozenset({one}) for one in Application
]
SLOTS = [Slots(), Slots(complete=True)] + [
    Slots((HeldKey("9a", algorithm, generated),), complete)
    for algorithm, generated, complete in product(Algorithm, (True, False, None), (True, False))
]
KINDS = [
    (algorithm, made)
    for algorithm in Algorithm
    if algorithm is not Algorithm.UNKNOWN
    for made in (True, False)
]
World = tuple[frozenset[Application], frozenset[Any], frozenset[Any]]


def possible_keys(slots: Slots) -> Iterator[frozenset[tuple[Algorithm, bool]]]:
    """Yield what the slots may hold: known keys as they may be, and one more where some may be."""
    known = []
    for key in slots.keys:
        kinds = (
            [key.algorithm]
            if key.algorithm is not Algorithm.UNKNOWN
            else [one for one, made in KINDS if made]
        )
        made = [True, False] if key.generated is None else [key.generated]
        known.append(list(product(kinds, made)))
    others: list[list[tuple[Algorithm, bool]]] = [[]]
    if not slots.complete:
        others += [[kind] for kind in KINDS]
    for held in product(*known):
        for more in others:
            yield frozenset([*held, *more])


def worlds(enabled: frozenset[Application] | None, piv: Slots, openpgp: Slots) -> list[World]:
    on = [enabled] if enabled is not None else [ANY, frozenset()]
    return list(product(on, set(possible_keys(piv)), set(possible_keys(openpgp))))


def agreed(verdicts: set[bool]) -> bool | None:
    return verdicts.pop() if len(verdicts) == 1 else None


Holds = Callable[[frozenset[Application], frozenset[Any], frozenset[Any]], bool]
CONDITIONS: dict[str, Holds] = {
    "YSA-2015-1": lambda on, _piv, pgp: Application.OPENPGP in on and bool(pgp),
    "YSA-2017-01": lambda _on, piv, pgp: (Algorithm.RSA, True) in piv | pgp,
    "YSA-2024-03": lambda on, piv, pgp: bool(
        on & {Application.FIDO2, Application.U2F}
        or any(algorithm is Algorithm.EC for algorithm, _ in piv | pgp)
    ),
}
SAMPLES = {
    "YSA-2015-1": BY_NAME["YubiKey NEO"].key((3, 4, 9), nfc=True, applet=(1, 0, 9)),
    "YSA-2017-01": BY_NAME["YubiKey 4"].key((4, 3, 4), nfc=False),
    "YSA-2024-03": BY_NAME["YubiKey 5"].key((5, 6, 9), nfc=True),
}
VERDICT = {True: Exposed.YES, False: Exposed.NO, None: Exposed.UNKNOWN}


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_key_is_exposed_when_it_is_in_every_world_that_is_possible(name: str) -> None:
    holds, sample = CONDITIONS[name], SAMPLES[name]
    for enabled, piv, openpgp in product(ENABLED, SLOTS, SLOTS[::3]):
        key = sample._replace(enabled=enabled, piv=piv, openpgp=openpgp)
        found = judge(SHIPPED[name], key)
        assert found.affected is Affected.YES
        wanted = agreed({holds(*world) for world in worlds(enabled, piv, openpgp)})
        assert found.exposed is VERDICT[wanted], (enabled, piv, openpgp)


NUMBER = [None, 0, 1, 3]


@pytest.mark.parametrize("enabled", ENABLED)
def test_what_nothing_on_a_key_shows_is_unknown_unless_its_application_is_off(
    enabled: frozenset[Application] | None,
) -> None:
    five = BY_NAME["YubiKey 5"].key((5, 4, 3), nfc=True)._replace(enabled=enabled)
    for name, version, application in (
        ("YSA-2020-04", Version(5, 2, 6), Application.OTP),
        ("YSA-2025-02", Version(5, 7, 3), Application.FIDO2),
    ):
        found = judge(SHIPPED[name], five._replace(firmware=version))
        is_off = enabled is not None and application not in enabled
        assert found.affected is Affected.YES
        assert found.exposed is (Exposed.NO if is_off else Exposed.UNKNOWN)


@pytest.mark.parametrize("enabled", ENABLED)
@pytest.mark.parametrize("number", NUMBER)
def test_what_is_counted_decides(
    enabled: frozenset[Application] | None, number: int | None
) -> None:
    wanted = VERDICT[None if number is None else number > 0]
    five = BY_NAME["YubiKey 5"].key((5, 2, 6), nfc=True)._replace(enabled=enabled)
    reset = judge(SHIPPED["YSA-2020-05"], five._replace(openpgp_reset_tries=number))
    assert reset.exposed is wanted
    held = judge(SHIPPED["YSA-2024-02"], five._replace(resident_credentials=number))
    if enabled is not None and Application.FIDO2 not in enabled:
        wanted = Exposed.NO
    elif enabled is None and number:
        wanted = Exposed.UNKNOWN  # the application may be off
    assert held.exposed is wanted


@pytest.mark.parametrize("password", [None, False, True])
def test_an_unconfirmed_range_leaves_the_exposure_unknown_unless_the_condition_fails(
    password: bool | None,  # noqa: FBT001 - a value of a fact
) -> None:
    neo = BY_NAME["YubiKey NEO"].key((3, 4, 9), nfc=True)._replace(oath_password=password)
    found = judge(SHIPPED["YSA-2018-01"], neo)
    assert found.affected is Affected.UNKNOWN
    assert found.exposed is (Exposed.NO if password is False else Exposed.UNKNOWN)


def test_a_weakness_of_the_key_itself_exposes_whatever_it_is_used_for() -> None:
    fips = BY_NAME["YubiKey FIPS (4 Series)"]
    for patch in (2, 3, 4):
        for enabled in ENABLED:
            key = fips.key((4, 4, patch), nfc=False)._replace(enabled=enabled)
            found = judge(SHIPPED["YSA-2019-02"], key)
            assert (found.affected, found.exposed) == (Affected.YES, Exposed.YES)
