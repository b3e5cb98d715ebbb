"""The options say what they take, and the page about them is true."""

import argparse
import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.exits import Exit
from loadtest.options import duration, parser
from loadtest.shapes import Shape

PAGE = (Path(__file__).parents[2] / "docs" / "load-testing.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("2m", 120), ("0.5h", 1800), ("24h", 86_400)]
)
def test_a_duration_is_read_in_its_unit(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@given(st.text(max_size=8))
def test_any_text_is_a_duration_above_zero_or_is_refused(text: str) -> None:
    with contextlib.suppress(argparse.ArgumentTypeError):
        assert duration(text) > 0


@pytest.mark.parametrize(
    "wrong",
    [
        ["--users", "0"],
        ["--processes", "65"],
        ["--max-failure-share", "1.1"],
        ["--p99-ms", "nan"],
        ["--shape", "square"],
        ["--duration", "0"],
    ],
)
def test_a_wrong_option_is_wrong_usage(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(wrong)
    assert ended.value.code == Exit.USAGE


def test_every_option_that_the_page_names_exists_and_every_shape_is_on_it() -> None:
    known = set(parser().format_help().split())
    known |= {word.strip("[],") for word in known}
    named = {word for word in PAGE.replace("`", " ").replace("=", " ").split() if word[:2] == "--"}
    programs_of_their_own = {"--json", "--rate", "--burst", "--reason", "--format", "--data"}
    assert {name.strip(".,;:()") for name in named} - programs_of_their_own <= known
    for shape in Shape:
        assert f"`{shape}`" in PAGE


def test_every_exit_code_is_on_the_page() -> None:
    codes = PAGE.partition("| exit code | meaning |")[2]
    first_cells = " ".join(line.split("|")[1] for line in codes.splitlines() if line[:2] == "| ")
    told = {int(word) for word in first_cells.replace(",", " ").split() if word.isdigit()}
    assert told == {int(code) for code in Exit}
