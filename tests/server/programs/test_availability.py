"""`keystead availability compute` and `keystead clock due` answer as their contract says."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.keystead_process import KeysteadProcess

VECTORS = Path(__file__).parents[1] / "incidents" / "vectors"


def test_a_case_and_its_minutes_are_computed_to_the_letter(
    keystead: KeysteadProcess, tmp_path: Path
) -> None:
    vectors = json.loads((VECTORS / "availability.json").read_text())
    file = tmp_path / "case.json"
    for options, vector in ([], vectors["vectors"][1]), (["--slices"], vectors["slice_vectors"][0]):
        file.write_text(json.dumps(vector))
        done = keystead.run("availability", "compute", "--input", str(file), *options, data=False)
        assert json.loads(done.out) == vector["expected"], done.err


def due(keystead: KeysteadProcess, **options: str | int) -> Any:  # noqa: ANN401 - JSON
    """Return what a clock's command prints."""
    words = [f"--{name}={value}" for name, value in options.items()]
    done = keystead.run("clock", "due", *words, data=False)
    return json.loads(done.out)


def test_a_clock_is_due_by_either_reading_or_there_is_none(keystead: KeysteadProcess) -> None:
    vector = next(
        one
        for one in json.loads((VECTORS / "clocks.json").read_text())["vectors"]
        if one["due_utc_end_of_day_reading"]
    )
    given = {name: vector[name] for name in ("clock", "severity", "entity", "calendar")}
    given["start"] = vector["start_utc"]
    assert due(keystead, **given) == {"due_utc": vector["due_utc"]}
    other = due(keystead, **given, reading="end-of-day")
    assert other == {"due_utc": vector["due_utc_end_of_day_reading"]}
    assert due(keystead, **given | {"clock": "update", "severity": 4}) == {"due_utc": None}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--start=2026-03-29T02:30:00", "--entity=ab"], "does not exist in Europe/Stockholm"),
        (["--start=2026-10-25T02:30:00", "--entity=ab"], "exists twice in Europe/Stockholm"),
        (["--start=soon", "--entity=inc"], "is no time"),
        (["--start=2026-01-01T00:00:00Z", "--entity=ab", "--calendar=mars"], "us-federal"),
        (["--start=9999-12-31T23:59:59Z", "--entity=ab"], "beyond what a calendar can hold"),
    ],
)
def test_a_start_that_is_no_instant_is_asked_back(
    keystead: KeysteadProcess, words: list[str], said: str
) -> None:
    done = keystead.run("clock", "due", "--clock=update", "--severity=2", *words, data=False)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_a_case_that_cannot_be_read_is_refused_with_the_reason(
    keystead: KeysteadProcess, tmp_path: Path
) -> None:
    file = tmp_path / "case.json"
    for text, said in ("{", "is not JSON"), ("[" * 10**5, "is not JSON"), ("{}", "period: a start"):
        file.write_text(text)
        done = keystead.run("availability", "compute", "--input", str(file), data=False)
        assert done.code == 2
        assert said in done.err
    done = keystead.run("availability", "compute", "--input", "absent.json", data=False)
    assert done.code == 2
    assert "cannot be read" in done.err
