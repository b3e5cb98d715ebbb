"""Word against word: no host makes a key clear of what another host said of it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.report import Value
from server.fleet.absorbing import KnownKey, absorb, as_report, without_host
from server.fleet.advisory_file import shipped
from server.fleet.claims import DISPUTED, FIXED, MAX_CLAIMS, KnownFact, contend, withdrawn
from server.fleet.exposure import Affected, judge
from server.fleet.health import judge_health
from server.fleet.observed import key_facts
from tests.server.fleet.reports import HEALTHY, HOST, TODAY, a_key

OTHER = "1e" * 16
OLD: dict[str, Value] = {
    **HEALTHY,
    "device.firmware": "5.4.3",
    "device.fips_series": False,
    "device.security_key_series": False,
    "device.nfc.supported": ("fido2",),
}


def known_as(*words: tuple[str, dict[str, Value]]) -> KnownKey:
    """Return a key after hosts said these facts of it, each a day later."""
    known = None
    for days, (host_id, facts) in enumerate(words):
        day = TODAY + timedelta(days)
        known = absorb(known, a_key(facts, last_seen=day), host_id, day, today=day).key
    assert known is not None
    return known


def eucleak(key: KnownKey) -> Affected:
    (advisory,) = (one for one in shipped().advisories if one.advisory_id == "YSA-2024-03")
    return judge(advisory, key_facts(as_report(key))).affected


@pytest.mark.parametrize(
    ("name", "lie"),
    [
        ("device.firmware", "5.7.4"),
        ("device.fips_series", True),
        ("device.security_key_series", True),
        ("device.form_factor", "usb-a-bio"),
        ("device.nfc.supported", ()),
    ],
)
def test_a_lie_of_another_host_is_seen_and_clears_nothing(name: str, lie: Value) -> None:
    key = known_as((HOST, OLD), (OTHER, {**OLD, name: lie}))
    assert key.disputed == (name,)
    assert key.facts[name].value == OLD[name]
    assert eucleak(key) is not Affected.NO
    faults = judge_health(as_report(key), TODAY).faults
    assert [fault.value for fault in faults if fault.rule.name == "disputed"] == [(name,)]


@pytest.mark.parametrize("second", [HOST, OTHER])
def test_nobody_takes_a_firmware_back(second: str) -> None:
    newer = {**OLD, "device.firmware": "5.7.4"}
    key = known_as((HOST, OLD), (second, newer), (second, newer), (HOST, OLD))
    assert key.disputed == ("device.firmware",)
    assert len(key.facts["device.firmware"].others) == 1
    assert eucleak(key) is Affected.UNKNOWN


def test_who_says_nothing_unsays_nothing() -> None:
    key = known_as((HOST, OLD), (OTHER, {}), (HOST, {}))
    assert eucleak(key) is Affected.YES


def test_a_word_that_is_not_known_is_no_contradiction() -> None:
    for words in (("unknown", "usb-a"), ("usb-a", "unknown")):
        said = [(HOST, {**OLD, "device.form_factor": word}) for word in words]
        key = known_as(*said)
        assert key.disputed == ()
        assert key.facts["device.form_factor"].value == "usb-a"


def test_more_words_of_a_newer_agent_are_no_contradiction() -> None:
    key = known_as((HOST, OLD), (OTHER, {**OLD, "device.nfc.supported": ("fido2", "hsmauth")}))
    assert key.disputed == ()


def test_what_a_forgotten_host_said_stands_against_nobody() -> None:
    newer = {**OLD, "device.firmware": "5.7.4"}
    disputed = known_as((HOST, OLD), (OTHER, newer))
    assert eucleak(without_host(disputed, OTHER)) is Affected.YES
    left = without_host(disputed, HOST)
    assert (left.disputed, left.facts["device.firmware"].value) == ((), "5.7.4")
    assert HOST not in str(left)
    alone = without_host(known_as((HOST, newer)), HOST)
    told = absorb(alone, a_key(OLD), OTHER, TODAY, today=TODAY).key
    assert (told.disputed, eucleak(told)) == ((), Affected.YES)


def test_every_fact_in_dispute_counts_as_not_known() -> None:
    other = dict.fromkeys(FIXED, "another")
    key = known_as((HOST, dict.fromkeys(FIXED, "one")), (OTHER, dict(other)))
    report = as_report(key)
    assert report.facts == {DISPUTED: tuple(sorted(FIXED))}
    assert {report.why_unreadable(name) for name in FIXED} == {"disputed"}


hosts = st.sampled_from([HOST, OTHER, "2d" * 16])
words = st.sampled_from(["5.4.3", "5.7.4", "5.7.0", "unknown"])


@given(st.lists(st.tuples(hosts, words), min_size=1, max_size=30), hosts)
def test_two_words_are_a_dispute_whoever_says_them_in_whatever_order(
    said: list[tuple[str, str]], forgotten: str
) -> None:
    facts = [KnownFact(word, TODAY, host_id) for host_id, word in said]
    known = facts[0]
    for fact in facts[1:]:
        known = contend(known, fact)
    meant = {word for _host, word in said} - {"unknown"}
    assert bool(known.others) == (len(meant) > 1)
    assert len(known.others) <= MAX_CLAIMS
    left = withdrawn(known, forgotten)
    assert forgotten not in {left.host_id, *(claim.host_id for claim in left.others)}
