"""The file of an organisation's own rules: TOML or JSON, and errors that name the line."""

import json
from pathlib import Path

import pytest

from server.configfile import ConfigError
from server.fleet.health_rules import HealthRules
from server.health_rules_file import load_rules, parse_rules

GOOD = """
[thresholds]
tries = 2

[rules.fido-pin-not-set]
enabled = false

[own.no-otp]          # a rule of ours
fact = "device.usb.enabled"
operator = "contains"
value = "otp"
level = "warning"
words = "OTP is switched on"
"""


def problems(text: str, name: str = "health.toml") -> list[str]:
    with pytest.raises(ConfigError) as refused:
        parse_rules(text, name)
    return list(refused.value.problems)


def test_toml_and_json_say_the_same() -> None:
    rules = parse_rules(GOOD, "health.toml")
    assert [one.name for one in rules.own] == ["own-no-otp"]
    values = {
        "thresholds": {"tries": 2},
        "rules": {"fido-pin-not-set": {"enabled": False}},
        "own": {
            "no-otp": {
                "fact": "device.usb.enabled",
                "operator": "contains",
                "value": "otp",
                "level": "warning",
                "words": "OTP is switched on",
            }
        },
    }
    assert parse_rules(json.dumps(values), "health.json") == rules


def test_a_fault_names_its_line() -> None:
    broken = GOOD.replace("device.usb.enabled", "device.usb.on").replace("tries = 2", "tries = -2")
    first, second = problems(broken)
    assert first == "health.toml:3: thresholds.tries: write a whole number from 0 to 20"
    assert second.startswith("health.toml:9: own.no-otp.fact: no agent reports a fact")
    assert "device.usb.enabled" in second


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("[thresholds", "a.toml", "not TOML"),
        ("{", "a.json", "not JSON"),
        ("[]", "a.json", "not a JSON object"),
        ('{"own": {}, "own": {}}', "a.json", "'own' stands twice"),
        ('{"thresholds": {"tries": NaN}}', "a.json", "whole number"),
    ],
)
def test_a_text_that_is_none_is_refused(text: str, name: str, said: str) -> None:
    (problem,) = problems(text, name)
    assert said in problem


def test_a_file_is_read_where_it_is_named(tmp_path: Path) -> None:
    assert load_rules(None) == HealthRules()
    file = tmp_path / "health.toml"
    with pytest.raises(ConfigError, match="cannot be read"):
        load_rules(str(file))
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_rules(str(file))
    file.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(ConfigError, match="1 MiB"):
        load_rules(str(file))
    file.write_text(GOOD)
    assert load_rules(str(file)) == parse_rules(GOOD, "health.toml")
