"""The operator's pages are complete and true: settings, commands, metrics and alarms."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from pydantic import BaseModel

from server.config import Config
from server.metrics import layout
from server.otp import notices
from server.programs.cli import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/operations.md").read_text("utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def settings(model: type[BaseModel] = Config, table: str = "") -> Iterator[str]:
    """Yield the row of the reference for each setting."""
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel):
            yield from settings(type(field.default), f"{table}{name}.")
            continue
        default = "none" if field.default is None else f"`{json.dumps(field.default, default=str)}`"
        yield f"| `{table}{name}` | {default} | {field.description} |"


@pytest.mark.parametrize("row", list(settings()), ids=lambda row: row.split("`")[1])
def test_every_setting_is_in_the_reference_with_its_default(row: str) -> None:
    assert row in PAGE.splitlines()


def commands() -> dict[str, set[str]]:
    """Return the options of every command, by what is typed after `keystead`."""
    found: dict[str, set[str]] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:  # noqa: ANN401 - Typer's own Click
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*words, name))
        if not hasattr(command, "commands") or (words and command.invoke_without_command):
            options = (set(one.opts) | set(one.secondary_opts) for one in command.params)
            found[" ".join(words)] = {"--help"}.union(*options)

    walk(typer.main.get_command(app), ())
    return found


COMMANDS = commands()
SHORT = {"backup": "backup make"}
"""What a group stands for when no command of it follows."""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_described(command: str) -> None:
    assert f"`keystead {command}" in PAGE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_to_be_typed_is_understood(page: Path) -> None:
    """Names of commands and their options; what they do is tested elsewhere."""
    for line in re.findall(r"\bkeystead ([a-z][^\n`|)]*)", page.read_text("utf-8")):
        words = line.split("#")[0].split()
        command = next(
            (" ".join(words[:n]) for n in (3, 2, 1) if " ".join(words[:n]) in COMMANDS), ""
        )
        if not command:
            command = SHORT.get(words[0], "")
        if not command:
            assert words[0] not in {name.split()[0] for name in COMMANDS}, f"keystead {line}"
            continue
        typed = re.findall(r"--[a-z-]*[a-z]", " ".join(words))
        assert set(typed) <= COMMANDS[command], f"keystead {line}"


SHOWING = (
    "server/doors.py",
    "server/fleet_watch.py",
    "server/hsm_audit.py",
    "server/hsm_doors.py",
    "server/metrics/exposition.py",
)


def metrics() -> set[str]:
    """Return the names of all metrics of ours, as the code that shows them spells them."""
    counters = {f"{family.name}_total" for family in layout.COUNTERS}
    shown = {
        name
        for path in map(ROOT.joinpath, SHOWING)
        for name in re.findall(r'"(keystead_[a-z_]+)"', path.read_text("utf-8"))
    }
    infos = shown & {"keystead_build", "keystead_hsm"}
    return counters | (shown - infos) | {f"{name}_info" for name in infos}


def test_every_metric_is_described() -> None:
    described = set(re.findall(r"`(keystead_[a-z_]+)", PAGE))
    assert metrics() - described == set()


def alarms() -> set[str]:
    """Return the events that the service logs as errors, wherever it does."""
    found: set[str] = set()
    for path in map(ROOT.joinpath, SHOWING):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in {"error", "exception", "critical"}
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                found.add(str(node.args[0].value))
    return found


def test_every_alarm_has_a_row_that_says_what_to_do() -> None:
    first_cells = re.findall(r"^\| (`[^|]*) \|", PAGE, re.MULTILINE)
    described = {name for cell in first_cells for name in re.findall(r"`([a-z_]+)`", cell)}
    raised = {*notices._FAULTS.values(), notices._REFUSED, notices._MISSING}
    assert (alarms() | raised) - described == set()
