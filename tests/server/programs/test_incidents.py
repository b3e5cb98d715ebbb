"""Incidents over real processes: typed, kept, reminded of by the running service, proved."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server.programs.cli import main
from tests.keystead_process import KeysteadProcess


def ago(minutes: float) -> str:
    moment = datetime.now(UTC) - timedelta(minutes=minutes)
    return moment.replace(microsecond=0).isoformat()


def told(keystead: KeysteadProcess) -> list[str]:
    """Return the kinds of the facts on incidents, as a job would read them."""
    with closing(sqlite3.connect(keystead.directory / "keystead.db")) as connection:
        rows = connection.execute(
            "SELECT kind FROM fact WHERE kind LIKE 'incident.%' ORDER BY position"
        )
        return [kind for (kind,) in rows]


def test_an_incident_is_opened_reminded_of_taken_on_and_resolved(
    keystead: KeysteadProcess,
) -> None:
    keystead.init()
    keystead.start(workers=2)
    begun = keystead.cli(
        "incident", "open", "Nobody gets an answer", "--unavailable", "--reported", ago(11)
    )
    assert (begun["state"], begun["severity"]) == ("open", 1)
    keystead.wait_until(lambda: "incident.clock-soon" in told(keystead))
    taken = keystead.cli("incident", "acknowledge", "1", "--tell", "We are on it.")
    assert taken["clocks"][0]["outcome"] == "met"
    keystead.cli("incident", "assign", "1", "1")
    over = keystead.cli("incident", "resolve", "1", "--summary", "A disk was full.")
    assert over["state"] == "resolved"
    assert [clock["clock"] for clock in over["clocks"]] == ["initial_response", "incident_report"]
    kinds = [kind for kind in told(keystead) if kind != "incident.clock-soon"]
    assert kinds == [
        "incident.opened",
        "incident.acknowledged",
        "incident.updated",
        "incident.severity",
        "incident.resolved",
    ]
    entries = keystead.cli("journal", "list", "--about", "incident:1")["entries"]
    assert {entry["action"] for entry in entries} >= {"incident.open", "incident.resolve"}


def test_all_that_is_done_with_an_incident_can_be_typed(
    keystead: KeysteadProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    keystead.init()
    keystead.configure('[incidents]\nentity = "ab"\nreading = "end-of-day"\n')
    keystead.start()

    def run(*words: str) -> tuple[int, str, str]:
        # In this process: what is typed twenty times need not start as often.
        code = main(["--data", str(keystead.directory), "incident", *words])
        ended = capsys.readouterr()
        return code, ended.out, ended.err

    def cli(*words: str) -> Any:  # noqa: ANN401 - JSON
        code, out, err = run(*words, "--reason", "a test", "--json")
        assert code == 0, err
        return json.loads(out)

    begun = cli("open", "No redundancy", "--degraded", "--private", "--severity", "2")
    assert (begun["severity"], begun["proposed"]["severity"]) == (2, 3)
    assert begun["history"][1]["text"] == "a test"
    steps = [
        (["note", "1", "the log is on /srv"], "open"),
        (["update", "1", "We are on it."], "acknowledged"),
        (["update", "1", "by telephone", "--private"], "acknowledged"),
        (["affect", "1", "7", "3"], "acknowledged"),
        (["mitigate", "1"], "mitigated"),
        (["worsen", "1"], "acknowledged"),
        (["confirm", "1", "--loss", f"{ago(3)},{ago(2)}"], "acknowledged"),
        (["amend", "1", "--start", ago(3), "--end", ago(2), "--impact", "0"], "acknowledged"),
        (["resolve", "1", "--summary", "replaced\nthem"], "resolved"),
        (["reopen", "1"], "acknowledged"),
        (["dismiss", "1"], "dismissed"),
    ]
    for words, state in steps:
        assert cli(*words)["state"] == state
    _, shown, _ = run("show", "1")
    assert "proposed: severity 3: The validation service is functionally operating" in shown
    assert "replaced / them" in shown
    one = json.loads(run("show", "1", "--json")[1])
    assert (one["public"], one["clients"]) == (True, [3, 7])
    assert one["amendments"][0]["reason"] == "a test"
    assert json.loads(run("list", "--json")[1])["incidents"] == []
    assert "No redundancy" in run("list", "--all")[1]
    code, _, err = run("confirm", "1", "--loss", "yesterday")
    assert (code, "is no loss" in err) == (2, True)
    code, _, err = run("reopen", "1")
    assert (code, "give a reason" in err) == (1, True)
