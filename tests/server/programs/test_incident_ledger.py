"""`keystead incident export` and `verify`, `keystead availability show`: over a real service."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.keystead_process import KeysteadProcess

# Not yesterday: a day is closed a quarter of an hour after its midnight.
MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
DAY = MIDNIGHT.date().isoformat()
FIRST_MINUTE = int(MIDNIGHT.timestamp()) // 60


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an installation in which a day was rolled up, and its exports."""
    folder = tmp_path_factory.mktemp("filled")
    with KeysteadProcess(folder / "var") as keystead:
        keystead.init("--sandbox")
        count_a_day(folder / "var" / "keystead.db")
        keystead.start()
        later = (MIDNIGHT + timedelta(days=30)).date().isoformat()
        keystead.cli(
            "maintenance",
            "schedule",
            "Upgrade",
            "--start",
            f"{later}T00:00:00Z",
            "--end",
            f"{later}T01:00:00Z",
        )
        (folder / "key.pem").write_text(keystead.run("journal", "public-key").out)
        keystead.wait_until(lambda: rolled_up(keystead, folder))
        ended = keystead.run(
            "incident",
            "export",
            str(folder / "ledger.jsonl"),
            "--minutes",
            str(folder / "minutes.jsonl"),
        )
        assert (ended.code, ended.out) == (0, "")
        keystead.terminate()
    return folder


def count_a_day(database: Path) -> None:
    """Put a day's counts where the service finds them: half an hour lost, six minutes halved."""
    with closing(sqlite3.connect(database)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(usage_minute)")]
        for at in range(1440):
            row = dict.fromkeys(columns, 0) | {"minute": FIRST_MINUTE + at, "client_id": 1}
            lost = 600 <= at < 630
            halved = 700 <= at < 706
            row["ok"] = 0 if lost else 5
            row["backend_error"] = 5 if lost or halved else 0
            marks = ", ".join("?" * len(columns))
            connection.execute(f"INSERT INTO usage_minute VALUES ({marks})", list(row.values()))  # noqa: S608
        connection.commit()


def rolled_up(keystead: KeysteadProcess, folder: Path) -> bool:
    ended = keystead.run("incident", "export", "-")
    assert ended.code == 0, (folder, ended.err)
    return f'"subject":"{DAY}"' in ended.out


def verify(folder: Path, file: Path, *more: str) -> tuple[int, Any]:
    """Verify an export where there is no installation; return exit code and JSON."""
    ended = KeysteadProcess(folder / "nowhere").run(
        "incident", "verify", str(file), "--key", str(folder / "key.pem"), *more, "--json"
    )
    return ended.code, ended.value


def test_a_days_figure_is_right_to_the_second_and_computed_again_offline(
    filled: Path, tmp_path: Path
) -> None:
    keystead = KeysteadProcess(filled / "var")
    asked = ("availability", "show", "--client", "1", "--period", "rolling", "--of", DAY)
    shown = keystead.cli(*asked)
    assert (shown["downtime_s"], shown["unknown_s"]) == ("1980", 29 * 86_400)
    ends = MIDNIGHT + timedelta(days=1)
    lost, halved = MIDNIGHT + timedelta(minutes=600), MIDNIGHT + timedelta(minutes=700)
    case = {
        "period": [text(ends - timedelta(days=30)), text(ends)],
        "as_of": text(ends),
        "incidents": [
            {"start": text(lost), "end": text(lost + timedelta(minutes=30)), "impact": "1"},
            {"start": text(halved), "end": text(halved + timedelta(minutes=6)), "impact": "1/2"},
        ],
        "maintenance": [],
        "unknown": [{"start": text(ends - timedelta(days=30)), "end": text(MIDNIGHT)}],
    }
    (tmp_path / "case.json").write_text(json.dumps(case))
    again = keystead.run(
        "availability", "compute", "--input", str(tmp_path / "case.json"), data=False
    )
    assert json.loads(again.out) == {name: shown[name] for name in json.loads(again.out)}
    proposed = keystead.cli("availability", "proposals", *asked[2:])["proposals"]
    assert [(one["start"], one["worst"], one["lost_s"]) for one in proposed] == [
        (text(lost), "1", "1800"),
        (text(halved), "1/2", "180"),
    ]
    total = keystead.cli("availability", "show", "--period", "rolling", "--of", DAY)
    assert {**total, "client": 1, "as_of": shown["as_of"]} == shown
    wrong = keystead.run("availability", "show", "--period", "term")
    assert (wrong.code, "2026-10-15" in wrong.err) == (1, True)


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_an_export_and_its_minutes_are_verified_without_any_installation(filled: Path) -> None:
    minutes = ("--minutes", str(filled / "minutes.jsonl"))
    code, verdict = verify(filled, filled / "ledger.jsonl", *minutes)
    assert code == 0
    assert verdict["whole"]
    assert verdict["entries"] == verdict["confirmed"] > 2
    assert (verdict["days_proved"], verdict["days_missing"]) == (1, 0)


def damaged(lines: list[str]) -> dict[str, list[str]]:
    """Return what may be done to an export whose first entry stands behind its checkpoints."""
    at = next(n for n, line in enumerate(lines) if '"type":"ledger-entry"' in line)
    edited = lines[at].replace('"subject":"', '"subject":"1')
    assert edited != lines[at]
    return {
        "an edit": [*lines[:at], edited, *lines[at + 1 :]],
        "a new order": [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]],
        "a careful truncation": [*lines[: at + 1], lines[-1]],
    }


@pytest.mark.parametrize("what", ["an edit", "a new order", "a careful truncation"])
def test_damage_to_an_export_is_found(filled: Path, tmp_path: Path, what: str) -> None:
    lines = (filled / "ledger.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "damaged.jsonl").write_text("".join(damaged(lines)[what]))
    code, verdict = verify(filled, tmp_path / "damaged.jsonl")
    assert code == 5
    assert not verdict["whole"]
    assert verdict["first_bad"] in {1, 2}


def test_minutes_that_were_bettered_are_found(filled: Path, tmp_path: Path) -> None:
    bettered = (filled / "minutes.jsonl").read_text().replace(",0,5]", ",5,1]", 1)
    (tmp_path / "minutes.jsonl").write_text(bettered)
    minutes = ("--minutes", str(tmp_path / "minutes.jsonl"))
    code, verdict = verify(filled, filled / "ledger.jsonl", *minutes)
    assert (code, verdict["whole"]) == (5, False)
    assert DAY in verdict["fault"]


def test_the_stores_ledger_is_verified_and_what_figures_need_is_not_erased(filled: Path) -> None:
    keystead = KeysteadProcess(filled / "var")
    ended = keystead.run("incident", "verify")
    assert ended.code == 0
    assert "The ledger is whole" in ended.out
    refused = keystead.run("incident", "erase", "1", "--reason", "no")
    assert (refused.code, "figures" in refused.err) == (1, True)
    assert keystead.run("incident", "erase", "999").code == 3
    no_key = keystead.run("incident", "verify", str(filled / "ledger.jsonl"))
    assert no_key.code == 2
