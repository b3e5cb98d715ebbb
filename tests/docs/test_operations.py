"""The operator's pages are complete and true: settings, commands, metrics and alarms."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click
import pytest
import typer.main
from pydantic import BaseModel

from server.config import Config
from server.metrics import layout
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
        default = "none" if field.default is None else f"`{json.dumps(field.default)}`"
        yield f"| `{table}{name}` | {default} | {field.description} |"


@pytest.mark.parametrize("row", settings(), ids=lambda row: row.split("`")[1])
def test_every_setting_is_in_the_reference_with_its_default(row: str) -> None:
    assert row in PAGE.splitlines()


def commands() -> dict[str, click.Command]:
    """Return every command by what is typed after `keystead`."""
    found: dict[str, click.Command] = {}

    def walk(command: click.Command, words: tuple[str, ...]) -> None:
        if isinstance(command, click.Group):
            for name, inner in command.commands.items():
                walk(inner, (*words, name))
        else:
            found[" ".join(words)] = command

    walk(cast("click.Command", typer.main.get_command(app)), ())
    return found


COMMANDS = commands()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_described(command: str) -> None:
    assert f"| `keystead {command}" in PAGE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_to_be_typed_is_understood(page: Path) -> None:
    """Names of commands and their options; what they do is tested elsewhere."""
    for line in re.findall(
        r"^(?:\$ |    |.*\(|`)?.*?\bkeystead ([a-z].*)", page.read_text("utf-8"), re.M
    ):
        words = line.split("`")[0].split("#")[0].split()
        command = next(
            (COMMANDS[" ".join(words[:n])] for n in (2, 1) if " ".join(words[:n]) in COMMANDS), None
        )
        if command is None:
            assert words[0] not in {name.split()[0] for name in COMMANDS}, f"keystead {line}"
            continue
        known = {option for parameter in command.params for option in parameter.opts}
        known |= {option for parameter in command.params for option in parameter.secondary_opts}
        typed = {word.split("=")[0].rstrip(".,;:)]") for word in words if word.startswith("--")}
        assert typed <= known | {"--help"}, f"keystead {line}"


@pytest.mark.parametrize("family", [family.name for family in layout.COUNTERS])
def test_every_counter_is_described(family: str) -> None:
    assert f"`{family}_total" in PAGE


def alarms() -> set[str]:
    """Return the events that the service logs as errors, wherever it does."""
    found: set[str] = set()
    for path in (ROOT / "server").rglob("*.py"):
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
    described = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE))
    assert alarms() - described == set()
