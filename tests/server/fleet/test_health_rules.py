"""An organisation's own rules of health: read strictly, and judged as they say."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.report import Identity, KeyReport, Value, parse
from server.fleet.fact_names import FACTS, Kind, kind_of
from server.fleet.health import RULES, Level, judge_health
from server.fleet.health_rules import TUNABLE, HealthRules, RulesError, read_rules
from server.fleet.operators import OPERATORS
from tests.server.fleet.reports import HEALTHY

TODAY = date(2026, 11, 27)
ROOT = Path(__file__).parents[3]


def own(**changes: object) -> dict[str, Any]:
    return {
        "fact": "device.usb.enabled",
        "operator": "contains",
        "value": "otp",
        "level": "warning",
        "words": "OTP is switched on",
    } | changes


def found(facts: dict[str, Value], rules: HealthRules) -> dict[str, Level]:
    report = KeyReport(Identity(serial=1), TODAY, None, facts, {})
    health = judge_health(report, TODAY, rules.apply())
    return {fault.rule.name: fault.rule.level for fault in health.faults}


def unknown(facts: dict[str, Value], rules: HealthRules) -> set[str]:
    report = KeyReport(Identity(serial=1), TODAY, None, facts, {})
    return {rule.name for rule in judge_health(report, TODAY, rules.apply()).unreadable}


def test_without_a_file_the_rules_are_those_that_ship() -> None:
    assert HealthRules().apply() == tuple(RULES)
    assert [rule[:4] for rule in read_rules({}).apply()] == [rule[:4] for rule in RULES]


def test_thresholds_move_where_a_rule_begins() -> None:
    facts: dict[str, Value] = {
        **HEALTHY,
        "piv.pin.tries": 3,
        "piv.certificate.9a.expires": "2027-01-20",
        "fido.pin_set": True,
        "fido.min_pin_length": 4,
    }
    assert found(facts, HealthRules()) == {}
    wider = {"tries": 3, "certificate_days": 60, "min_fido_pin_length": 6}
    rules = read_rules({"thresholds": wider})
    hit = found(facts, rules)
    assert {"piv-pin-tries", "certificate-ends", "fido-pin-length"} <= set(hit)
    titles = {rule.name: rule.title for rule in rules.apply()}
    assert titles["piv-pin-tries"] == "The PIV PIN has 3 tries left, or fewer"
    assert titles["certificate-ends"] == "A certificate ends within 60 days"
    assert "6 characters" in titles["fido-pin-length"]
    assert "fido-pin-length" not in found({**facts, "fido.min_pin_length": 6}, rules)
    assert "fido-pin-length" not in found({**facts, "fido.pin_set": False}, rules)


def test_a_rule_is_switched_off_or_given_another_level() -> None:
    bad: dict[str, Value] = {**HEALTHY, "piv.pin.default": True, "piv.puk.default": True}
    tuned = {"piv-pin-default": {"enabled": False}, "piv-puk-default": {"level": "notice"}}
    assert found(bad, HealthRules()) == {
        "piv-pin-default": Level.DANGER,
        "piv-puk-default": Level.DANGER,
    }
    assert found(bad, read_rules({"rules": tuned})) == {"piv-puk-default": Level.NOTICE}


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        (own(), ("otp", "piv"), ("piv",)),
        (own(operator="lacks", value="fido2"), ("piv",), ("fido2", "piv")),
        (own(fact="oath.password_set", operator="is", value=False), False, True),
        (own(fact="piv.pin.tries_total", operator="is", value=3), 3, 4),
        (own(fact="piv.pin.tries_total", operator="is-not", value=3), 4, 3),
        (own(fact="piv.pin.tries_total", operator="at-least", value=8), 8, 7),
        (own(fact="piv.pin.tries_total", operator="at-most", value=2), 2, 3),
        (own(fact="device.firmware", operator="older-than", value="5.7.0"), "5.6.9", "5.10.0"),
        (own(fact="device.form_factor", operator="one-of", value=["usb-a-nano"]), "usb-a-nano", ""),
        (own(fact="device.form_factor", operator="none-of", value=["usb-c-bio"]), "x", "usb-c-bio"),
        (own(fact="device.part_number", operator="is-not", value="A"), "B", "A"),
        (
            own(fact="piv.certificate.*.expires", operator="ends-within", value=10),
            "2026-12-07",
            "2026-12-08",
        ),
        (own(fact="piv.slot.9a.touch_policy", operator="is", value="never"), "never", "always"),
        (own(fact="openpgp.touch.*", operator="is", value="off"), "off", "on"),
    ],
)
def test_a_rule_of_ones_own_finds_what_it_says_and_nothing_else(
    rule: dict[str, Any], bad: Value, good: Value
) -> None:
    rules = read_rules({"own": {"mine": rule}})
    fact = str(rule["fact"]).replace("*", "9c" if "piv" in str(rule["fact"]) else "signature")
    assert found({fact: bad}, rules).get("own-mine") is Level.WARNING
    assert "own-mine" not in found({fact: good}, rules)


def test_a_rule_of_ones_own_says_nothing_of_what_was_not_read_or_is_of_another_kind() -> None:
    few = own(fact="piv.pin.tries_total", operator="at-most", value=2)
    rules = read_rules({"own": {"mine": few}})
    report = KeyReport(Identity(serial=1), TODAY, None, {}, {"piv": "in-use"})
    assert "own-mine" in {one.name for one in judge_health(report, TODAY, rules.apply()).unreadable}
    assert "own-mine" in unknown({"piv.pin.tries_total": True}, rules)
    assert "own-mine" not in found({"piv.pin.tries_total": True}, rules)


def test_a_rule_can_be_for_some_keys_alone() -> None:
    only = own(fact="fido.always_uv", operator="is", value=False, when="device.security_key_series")
    rules = read_rules({"own": {"mine": only}})
    facts: dict[str, Value] = {"fido.always_uv": False, "device.security_key_series": True}
    assert "own-mine" in found(facts, rules)
    assert "own-mine" not in found({**facts, "device.security_key_series": False}, rules)


@pytest.mark.parametrize(
    ("values", "path", "said"),
    [
        ({"threshold": {}}, "threshold", "Did you mean thresholds"),
        ({"thresholds": 3}, "thresholds", "is a table"),
        ({"thresholds": {"tries": "3"}}, "thresholds.tries", "whole number"),
        ({"thresholds": {"tries": True}}, "thresholds.tries", "whole number"),
        ({"thresholds": {"tries": 21}}, "thresholds.tries", "from 0 to 20"),
        ({"thresholds": {"certificate_days": 30.5}}, "thresholds.certificate_days", "whole"),
        ({"thresholds": {"certificates": 3}}, "thresholds.certificates", "certificate_days"),
        ({"rules": {"piv-pin-defualt": {}}}, "rules.piv-pin-defualt", "piv-pin-default"),
        ({"rules": {"piv-pin-default": {"level": "bad"}}}, "rules.piv-pin-default.level", "danger"),
        ({"rules": {"piv-pin-default": {"on": True}}}, "rules.piv-pin-default.on", "enabled"),
        ({"rules": {"piv-pin-default": {"enabled": 1}}}, "rules.piv-pin-default.enabled", "true"),
        ({"rules": {"fips-validated": {"level": "danger"}}}, "rules.fips-validated.level", "fault"),
        ({"own": {"Mine!": own()}}, "own.Mine!", "a-z"),
        ({"own": {"mine": own(more=1)}}, "own.mine.more", "no such setting"),
        ({"own": {"mine": {"fact": "piv.version"}}}, "own.mine", "lacks operator"),
        ({"own": {"mine": own(fact="device.usb.enable")}}, "own.mine.fact", "device.usb.enabled"),
        ({"own": {"mine": own(fact="piv.slot.9z.origin")}}, "own.mine.fact", "no agent reports"),
        ({"own": {"mine": own(fact="keystead.disputed")}}, "own.mine.fact", "no agent reports"),
        ({"own": {"mine": own(fact=7)}}, "own.mine.fact", "in quotes"),
        ({"own": {"mine": own(operator="eval")}}, "own.mine.operator", "contains"),
        ({"own": {"mine": own(operator=["is"])}}, "own.mine.operator", "write one of"),
        ({"own": {"mine": own(operator="at-most")}}, "own.mine.operator", "a list of words"),
        ({"own": {"mine": own(value=7)}}, "own.mine.value", "a word"),
        ({"own": {"mine": own(value="two\nlines")}}, "own.mine.value", "one line"),
        ({"own": {"mine": own(level="red")}}, "own.mine.level", "warning"),
        ({"own": {"mine": own(words="")}}, "own.mine.words", "1 to 120"),
        ({"own": {"mine": own(when="piv.slot.*.origin")}}, "own.mine.when", "one fact"),
        ({"own": {"mine": own(when="fido.set")}}, "own.mine.when", "no agent reports"),
        (
            {"own": {"mine": own(fact="device.firmware", operator="older-than", value="5.7")}},
            "own.mine.value",
            "5.7.0",
        ),
        (
            {"own": {"mine": own(fact="device.form_factor", operator="one-of", value=[])}},
            "own.mine.value",
            "list of 1",
        ),
        (
            {"own": {"mine": own(fact="fido.pin_set", operator="is", value="yes")}},
            "own.mine.value",
            "without quotes",
        ),
        ({"own": {f"rule-{number}": own() for number in range(101)}}, "own", "100 are the most"),
    ],
)
def test_a_fault_in_the_file_is_told_with_its_place_and_its_remedy(
    values: dict[str, Any], path: str, said: str
) -> None:
    with pytest.raises(RulesError) as refused:
        read_rules(values)
    told = {".".join(one.path): one.said for one in refused.value.problems}
    assert said in told[path]


def test_all_faults_are_told_at_once() -> None:
    faulty = {"thresholds": {"tries": -1}, "own": {"one": own(level="x"), "two": own(operator="x")}}
    with pytest.raises(RulesError) as refused:
        read_rules(faulty)
    assert len(refused.value.problems) == 3


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
shapes = st.fixed_dictionaries(
    {},
    optional={
        "thresholds": st.dictionaries(st.sampled_from(["tries", "certificate_days"]), json_values),
        "rules": st.dictionaries(st.sampled_from(sorted(TUNABLE)), json_values, max_size=2),
        "own": st.dictionaries(
            st.sampled_from(["a", "b"]),
            st.fixed_dictionaries(
                {
                    "fact": st.sampled_from(sorted(FACTS)) | json_values,
                    "operator": st.sampled_from(sorted(OPERATORS)) | json_values,
                    "value": json_values | st.just("5.7.0"),
                    "level": st.sampled_from([*Level, "x"]),
                    "words": st.text(max_size=4) | json_values,
                }
            ),
        ),
    },
)


@given(shapes | st.dictionaries(st.text(max_size=6), json_values, max_size=3))
def test_whatever_a_file_holds_is_read_or_refused_and_what_is_read_judges(
    values: dict[str, Any],
) -> None:
    try:
        rules = read_rules(values)
    except RulesError:
        return
    report = KeyReport(Identity(serial=1), TODAY, None, HEALTHY, {})
    judge_health(report, TODAY, rules.apply())


def test_the_same_rules_have_the_same_digest_and_others_have_another() -> None:
    one, same = read_rules({"own": {"mine": own()}}), read_rules({"own": {"mine": own()}})
    assert one.digest == same.digest
    assert one.digest != read_rules({"own": {"mine": own(value="piv")}}).digest


def documented_facts() -> list[list[str]]:
    """Return the facts of the table in docs/agent.md, each as the names that it may stand for.

    A name that begins with a dot goes on from the first one of its row, or from its application.
    """
    page = (ROOT / "docs/agent.md").read_text("utf-8")
    table = page[page.index("| facts | from |") : page.index("Reasons for what is missing")]
    found: list[list[str]] = []
    for row in table.splitlines()[2:]:
        names = re.findall(r"`([a-z0-9._]+)`", row.partition("|")[2].partition("|")[0])
        for name in names:
            group, application = names[0].rpartition(".")[0], names[0].partition(".")[0]
            longer = [group + name, application + name]
            found.append(longer if name.startswith(".") else [name])
    return found


def test_every_documented_fact_can_be_named_in_a_rule() -> None:
    documented = documented_facts()
    assert len(documented) > 60
    unknown = [names for names in documented if not any(map(kind_of, names))]
    assert unknown == []


def test_facts_of_reports_are_of_the_kind_that_rules_take_them_for() -> None:
    golden = parse((ROOT / "tests/agent/golden/report-1.json").read_bytes())
    kinds = {
        Kind.TRUTH: bool,
        Kind.NUMBER: int,
        Kind.TEXT: str,
        Kind.VERSION: str,
        Kind.DAY: str,
        Kind.WORDS: tuple,
    }
    looked_at = 0
    for key in golden.keys:
        for name, value in key.facts.items():
            kind = kind_of(name)
            assert kind is not None, name
            assert type(value) is kinds[kind], name
            looked_at += 1
    assert looked_at > 20
