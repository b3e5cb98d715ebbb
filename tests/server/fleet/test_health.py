"""Health: each rule finds its fault, and what was not read is not called sound."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.report import Value
from server.fleet.health import RULES, Level, judge_health
from tests.server.fleet.reports import HEALTHY, TODAY, a_key


def found(**facts: Value) -> list[str]:
    named = {name.replace("__", "."): value for name, value in facts.items()}
    return [fault.rule.name for fault in judge_health(a_key(HEALTHY | named), TODAY).faults]


def day(after: int) -> str:
    return (TODAY + timedelta(after)).isoformat()


def test_nothing_is_wrong_with_a_healthy_key() -> None:
    health = judge_health(a_key(), TODAY)
    assert (health.faults, health.unreadable, health.worst) == ((), (), None)


@pytest.mark.parametrize(
    ("fact", "faulty", "sound", "rule"),
    [
        ("piv.pin.default", True, False, "piv-pin-default"),
        ("piv.puk.default", True, False, "piv-puk-default"),
        ("piv.management_key.default", True, False, "piv-management-key-default"),
        ("piv.pin.tries", 1, 2, "piv-pin-tries"),
        ("piv.puk.tries", 0, 3, "piv-puk-tries"),
        ("piv.certificate.9c.expires", day(-1), day(31), "certificate-ended"),
        ("piv.certificate.9c.expires", day(0), day(31), "certificate-ends"),
        ("piv.certificate.9c.expires", day(30), day(31), "certificate-ends"),
        ("piv.certificate.82.roca", True, False, "weak-rsa-key"),
        ("fido.pin_set", False, True, "fido-pin-not-set"),
        ("fido.pin_tries", 1, 2, "fido-pin-tries"),
        ("fido.force_pin_change", True, False, "fido-pin-must-change"),
        ("openpgp.pin.tries", 1, 3, "openpgp-pin-tries"),
        ("openpgp.admin_pin.tries", 0, 2, "openpgp-admin-pin-tries"),
        ("openpgp.terminated", True, False, "openpgp-terminated"),
        ("scp.default_keys", True, False, "secure-channel-default"),
    ],
)
def test_each_rule_finds_its_fault_and_nothing_else(
    fact: str, faulty: Value, sound: Value, rule: str
) -> None:
    name = fact.replace(".", "__")
    assert found(**{name: faulty}) == [rule]
    assert found(**{name: sound}) == []


def test_tries_of_a_pin_that_is_not_set_say_nothing() -> None:
    assert found(fido__pin_set=False, fido__pin_tries=0) == ["fido-pin-not-set"]


def test_what_could_not_be_read_is_told_and_what_is_not_there_is_not() -> None:
    facts = {name: value for name, value in HEALTHY.items() if not name.startswith("piv")}
    unread = judge_health(a_key(facts, {"piv": "in-use"}), TODAY).unreadable
    assert {rule.name for rule in unread} >= {"piv-pin-default", "certificate-ends"}
    assert judge_health(a_key(facts, {"piv": "absent"}), TODAY).unreadable == ()


def test_the_worst_level_is_that_of_the_worst_fault() -> None:
    facts = HEALTHY | {"fido.pin_set": False, "piv.pin.tries": 0}
    assert judge_health(a_key(facts), TODAY).worst is Level.DANGER
    assert judge_health(a_key(HEALTHY | {"fido.pin_set": False}), TODAY).worst is Level.WARNING


def test_rules_have_names_of_their_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


@given(
    st.booleans() | st.integers() | st.text(max_size=12) | st.just(()),
    st.sampled_from([rule.facts.replace("*", "9a") for rule in RULES]),
    st.dates(),
)
def test_a_value_of_whatever_kind_is_judged_without_a_fault_of_ours(
    value: Value, fact: str, today: date
) -> None:
    judge_health(a_key({fact: value}), today)


def test_a_certificate_that_was_not_read_is_told_beside_one_that_was() -> None:
    unread = judge_health(a_key(HEALTHY, {"piv.certificate.9c": "garbage"}), TODAY).unreadable
    assert {rule.name for rule in unread} == {
        "certificate-ended",
        "certificate-ends",
        "weak-rsa-key",
    }


def test_a_group_of_which_nothing_is_said_is_not_sound() -> None:
    unread = {rule.name for rule in judge_health(a_key({}), TODAY).unreadable}
    assert unread >= {"piv-pin-default", "fido-pin-not-set", "openpgp-terminated", "weak-rsa-key"}
    without = {"device.usb.supported": ("otp",)}
    assert judge_health(a_key(without), TODAY).unreadable == ()


def test_tries_are_not_known_where_it_is_not_known_whether_there_is_a_pin() -> None:
    facts = {name: value for name, value in HEALTHY.items() if not name.startswith("fido")}
    unread = judge_health(a_key(facts, {"fido": "in-use"}), TODAY).unreadable
    assert {rule.name for rule in unread} >= {"fido-pin-not-set", "fido-pin-tries"}


@pytest.mark.parametrize(
    ("fact", "value"),
    [("piv.pin.default", "yes"), ("piv.pin.tries", "3"), ("piv.certificate.9c.expires", "never")],
)
def test_a_value_of_another_kind_is_not_sound(fact: str, value: Value) -> None:
    unread = judge_health(a_key(HEALTHY | {fact: value}), TODAY).unreadable
    assert unread
