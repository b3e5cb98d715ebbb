"""The shipped rules do what they promise in every scenario, and each part of them is needed."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from server.metrics import layout
from server.metrics.layout import BY_NAME
from server.web.fleet import OUTCOMES
from tests.system_programs import require_program

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus"
FILES = sorted(RULES.glob("*.yml"))
SCENARIOS = sorted((RULES / "scenarios").glob("*.yml"))
PROBE = "keystead_probe_total"
"""What a prober counts; the service itself does not."""

RECORDING, ALERTS, PROBES, FLEET = (
    "keystead-recording.yml",
    "keystead-alerts.yml",
    "keystead-probe-alerts.yml",
    "keystead-fleet-alerts.yml",
)
BURN = "keystead_verify_total"
EVERY_WINDOW = "every window has its share"
SHARES = "steady shares, a job for each"
ENDS = "it ends, and so do the alerts"
DAYS = "five in a hundred go wrong after four good days"
MONTH = "a month, a job for each"
MAINTENANCE = "total failure in announced maintenance"


def promtool(*words: str | Path, tmp: Path) -> subprocess.CompletedProcess[str]:
    program = require_program("promtool", package="prometheus")
    return subprocess.run(
        [program, *map(str, words)],
        env={"PATH": os.defpath, "TMPDIR": str(tmp)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def rules(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((RULES / name).read_text("utf-8"))
    return loaded


def alerts() -> list[dict[str, Any]]:
    names = (ALERTS, PROBES, FLEET)
    return [rule for name in names for group in rules(name)["groups"] for rule in group["rules"]]


def test_the_rules_are_rules(tmp_path: Path) -> None:
    done = promtool("check", "rules", *FILES, tmp=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("scenarios", SCENARIOS, ids=lambda path: path.stem)
def test_the_rules_as_they_are_pass_every_scenario(scenarios: Path, tmp_path: Path) -> None:
    done = promtool("test", "rules", scenarios, tmp=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


class Mutation(NamedTuple):
    """A change of the rules that must not go unnoticed. scenario: who notices it."""

    file: str
    old: str
    new: str
    scenario: str


def window(name: str, longer: str, scenario: str) -> Mutation:
    """Let the numerator and denominator of a recorded share look at another window."""
    old = rf"(record: keystead:bad:{name}\n(?:.|\n)*?)\[\w+\]((?:.|\n)*?)\[\w+\]"
    return Mutation(RECORDING, old, rf"\1[{longer}]\2[{longer}]", scenario)


def count(name: str, longer: str, scenario: str) -> Mutation:
    old = rf"(record: keystead:bad:{name}\n(?:.|\n)*?)\[\w+\]"
    return Mutation(RECORDING, old, rf"\1[{longer}]", scenario)


def without(record: str, what: str, instead: str, scenario: str) -> Mutation:
    """Take something out of one recorded share."""
    old = rf"(record: keystead:bad:{record}\n(?:(?!record)(?:.|\n))*?){what}"
    return Mutation(RECORDING, old, rf"\1{instead}", scenario)


MUTATIONS = [
    window("ratio5m", "10m", ENDS),
    window("ratio30m", "1h", ENDS),
    window("ratio1h", "2h", DAYS),
    window("ratio2h", "4h", ENDS),
    window("ratio6h", "9h", ENDS),
    window("ratio6h", "12h", DAYS),
    window("ratio1d", "2d", DAYS),
    window("ratio3d", "6d", DAYS),
    window("ratio30d", "60d", MONTH),
    count("increase1h", "2h", "low volume"),
    count("increase6h", "12h", "very low volume"),
    *(
        without(f"ratio{span}", r"outcome=~\"good\|bad\"", 'outcome=~"good"', EVERY_WINDOW)
        for span in ("5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d")
    ),
    *(
        without(f"ratio{span}", r" > 0\)", ")", "idle with a failing prober")
        for span in ("5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d")
    ),
    Mutation(RECORDING, r', phase="service"', "", MAINTENANCE),
    Mutation(RECORDING, r"by \(job\)", "by (job, instance)", "two processes are one service"),
    Mutation(RECORDING, r"by \(job\)", "", "two jobs are two services"),
    Mutation(RECORDING, r'outcome=~"good\|bad", ', "", EVERY_WINDOW),
    Mutation(ALERTS, r"ratio1h > 14\.4", "ratio1h > 15.5", SHARES),
    Mutation(ALERTS, r"14\.4", "13.4", SHARES),
    Mutation(ALERTS, r"> 6 \*", "> 6.5 *", SHARES),
    Mutation(ALERTS, r"> 6 \*", "> 5.5 *", SHARES),
    Mutation(ALERTS, r"> 3 \*", "> 3.5 *", SHARES),
    Mutation(ALERTS, r"> 3 \*", "> 2.5 *", SHARES),
    Mutation(ALERTS, r"> 1 \*", "> 1.5 *", SHARES),
    Mutation(ALERTS, r"> 1 \*", "> 0.5 *", SHARES),
    Mutation(ALERTS, r"\* 0\.001", "* 0.01", SHARES),
    Mutation(ALERTS, r" +and on \(job\) keystead:bad:ratio5m .*\n", "", ENDS),
    Mutation(ALERTS, r" +and on \(job\) keystead:bad:ratio30m .*\n", "", ENDS),
    Mutation(ALERTS, r" +and on \(job\) keystead:bad:ratio2h .*\n", "", ENDS),
    Mutation(ALERTS, r" +and on \(job\) keystead:bad:ratio6h .*\n", "", ENDS),
    Mutation(ALERTS, r" +and on \(job\) keystead:bad:increase1h .*\n", "", "low volume"),
    Mutation(ALERTS, r" +and on \(job\) keystead:bad:increase6h .*\n", "", "low volume"),
    Mutation(ALERTS, r"increase6h >= 10", "increase6h >= 30", "low volume"),
    Mutation(ALERTS, r"ratio30d > 0\.001", "ratio30d > 0.0012", MONTH),
    Mutation(ALERTS, r"ratio30d > 0\.001", "ratio30d > 0.0008", MONTH),
    Mutation(ALERTS, r" +and on \(job\) count by .*\n", "", MONTH),
    Mutation(ALERTS, r"offset 30d", "offset 20d", MONTH),
    Mutation(ALERTS, r"absent_over_time\((\w+)\[10m\]\)", r"absent(\1)", "the service vanishes"),
    Mutation(ALERTS, r"\[10m\]", "[30m]", "the service vanishes"),
    Mutation(PROBES, r"=\"bad\"", '="good"', "idle with a failing prober"),
    Mutation(PROBES, r"(, )?phase=\"service\"", "", MAINTENANCE),
    Mutation(PROBES, r">= 0\.5", "> 0.5", "half of the probes fail"),
    Mutation(PROBES, r">= 0\.5", ">= 0.4", "less than half of the probes fail"),
    Mutation(PROBES, r" >= 3\)", ")", "fewer than three probes in five minutes"),
    Mutation(PROBES, r" >= 3\)", " > 4)", "three probes in five minutes"),
    Mutation(PROBES, r"\[10m\]", "[5m]", "the prober stops"),
    Mutation(PROBES, r"\[10m\]", "[20m]", "the prober stops"),
    Mutation(PROBES, r" or vector\(0\)", "", "no data at all"),
    Mutation(FLEET, r"\[2h\]", "[4h]", "a laptop was copied"),
    Mutation(FLEET, r"for: 30m", "for: 90m", "a laptop was copied"),
    Mutation(FLEET, r"for: 30m", "for: 0m", "a laptop was copied"),
    Mutation(FLEET, r"fault\|later\|slow", "later", "the store of reports is away"),
    Mutation(FLEET, r"> 0\.1(\n +and on \(job\)\n)", r"> 0.05\1", "the store of reports is away"),
    Mutation(FLEET, r"> 0\.1(\n +and on \(job\)\n)", r"> 0.2\1", "the store of reports is away"),
    Mutation(FLEET, r" and on \(job\)\n.*slow.*>= 10", "", "the store of reports is away"),
    Mutation(FLEET, r">= 100", ">= 130", "somebody tries the agents' door"),
    Mutation(FLEET, r">= 100", ">= 50", "somebody tries the agents' door"),
    Mutation(FLEET, r"\|unknown-host", "", "somebody tries the agents' door"),
    Mutation(FLEET, r"> 0\.1(\n +and on \(job\) max)", r"> 0.13\1", "laptops fall silent"),
    Mutation(FLEET, r"> 0\.1(\n +and on \(job\) max)", r"> 0.04\1", "an ordinary day of laptops"),
    Mutation(FLEET, r" +and on .*silent.*>= 10", "", "laptops fall silent"),
    Mutation(FLEET, r"for: 1h", "for: 0m", "laptops fall silent"),
    Mutation(FLEET, r"for: 1h", "for: 2h", "laptops fall silent"),
    Mutation(FLEET, r"\[3h\]", "[4h]", "laptops fall silent"),
    Mutation(FLEET, r"\[3h\]", "[1h]", "laptops fall silent"),
    Mutation(FLEET, r" +and on .*reporting.*>= 10", "", "laptops fall silent"),
]


def scenario(name: str) -> dict[str, Any]:
    """Return one scenario as a file of its own."""
    for path in SCENARIOS:
        whole: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
        tests = [test for test in whole["tests"] if test["name"] == name]
        if tests:
            return {**whole, "tests": tests}
    raise KeyError(name)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: f"{one.old[-40:]}-{one.new[-20:]}")
def test_a_rule_that_is_changed_is_noticed(mutation: Mutation, tmp_path: Path) -> None:
    for path in FILES:
        text = path.read_text("utf-8")
        if path.name == mutation.file:
            text, changed = re.subn(mutation.old, mutation.new, text)
            assert changed, "the rules have nothing of this"
        (tmp_path / path.name).write_text(text, "utf-8")
    alone = tmp_path / "scenarios" / "one.yml"
    alone.parent.mkdir()
    alone.write_text(yaml.safe_dump(scenario(mutation.scenario)), "utf-8")
    check = promtool("check", "rules", *tmp_path.glob("*.yml"), tmp=tmp_path)
    assert check.returncode == 0, "a mutation that is no rule proves nothing"
    done = promtool("test", "rules", alone, tmp=tmp_path)
    assert done.returncode != 0
    assert "exp:" in done.stdout + done.stderr


@pytest.mark.parametrize("alert", alerts(), ids=lambda rule: rule["alert"])
def test_every_alert_says_what_to_do_and_is_seen_in_a_scenario(alert: dict[str, Any]) -> None:
    runbook = ROOT / alert["annotations"]["runbook_url"]
    assert runbook.name == f"{alert['alert']}.md"
    text = runbook.read_text("utf-8")
    assert text.startswith(f"# {alert['alert']}\n")
    for heading in ("## What it means", "## What to look at", "## What to do"):
        assert heading in text
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert any(alert["alert"] in path.read_text("utf-8") for path in SCENARIOS)


def test_no_runbook_is_without_its_alert() -> None:
    pages = {page.stem for page in (ROOT / "docs/runbooks").glob("*.md")}
    assert pages == {alert["alert"] for alert in alerts()}


def known_metrics() -> set[str]:
    """Return what Keystead shows, what is recorded, and what a prober counts."""
    shown = {f"{family.name}_total" for family in layout.COUNTERS}
    exposition = (ROOT / "server/metrics/exposition.py").read_text("utf-8")
    doors = (ROOT / "server/doors.py").read_text("utf-8")
    fleet = (ROOT / "server/fleet_watch.py").read_text("utf-8")
    shown |= set(re.findall(r'"(keystead_[a-z_]+)"', exposition + doors + fleet))
    shown.add("keystead_fleet_requests_total")
    shown |= {f"{name}_bucket" for name in shown}
    recorded = {rule["record"] for group in rules(RECORDING)["groups"] for rule in group["rules"]}
    return shown | recorded | {PROBE}


def used_metrics(expression: str) -> set[str]:
    return set(re.findall(r"\bkeystead[_:][a-z0-9_:]+", expression))


def test_the_rules_name_only_metrics_that_there_are() -> None:
    for path in FILES:
        for group in rules(path.name)["groups"]:
            for rule in group["rules"]:
                assert used_metrics(rule["expr"]) <= known_metrics()


def test_the_rules_name_only_outcomes_at_the_agents_door_that_there_are() -> None:
    text = (RULES / FLEET).read_text("utf-8")
    named = re.findall(r'outcome=~?"([^"]+)"', text)
    assert named
    assert {word for words in named for word in words.split("|")} <= set(OUTCOMES)


def test_the_rules_name_only_labels_that_there_are() -> None:
    family = BY_NAME[BURN.removesuffix("_total")]
    for path in (path for path in FILES if path.name != FLEET):
        for label, sign, value in re.findall(r"(\w+)(=~?)\"([^\"]+)\"", path.read_text("utf-8")):
            if label in {"outcome", "phase"}:
                at = family.labels.index(label)
                known = {values[at] for values in family.values}
                wanted = set(value.split("|")) if sign == "=~" or "|" in value else {value}
                assert wanted <= known


def test_the_dashboard_shows_only_what_there_is() -> None:
    dashboard = json.loads((ROOT / "deploy/grafana/keystead.json").read_text("utf-8"))
    expressions = [
        target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])
    ]
    assert len(expressions) >= 10
    for expression in expressions:
        used = used_metrics(expression)
        assert used
        assert used <= known_metrics(), expression
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    assert "keystead:bad:ratio30d" in str(expressions)


def test_the_dashboards_queries_are_queries(tmp_path: Path) -> None:
    dashboard = json.loads((ROOT / "deploy/grafana/keystead.json").read_text("utf-8"))
    queries = [
        {"record": f"panel:{panel['id']}:{number}", "expr": target["expr"].replace("$job", "x")}
        for panel in dashboard["panels"]
        for number, target in enumerate(panel.get("targets", []))
    ]
    path = tmp_path / "dashboard.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": queries}]}), "utf-8")
    done = promtool("check", "rules", path, tmp=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
