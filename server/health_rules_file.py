"""Reading the organisation's own rules of health: TOML or JSON, with errors that name the line."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from server.configfile import MAX_FILE_OCTETS, ConfigError, KeyPath, key_lines
from server.fleet.health_rules import HealthRules, RulesError, read_rules


def load_rules(file: str | None) -> HealthRules:
    """Read the file, .json as JSON and others as TOML; ConfigError. None: no rules of one's own."""
    if file is None:
        return HealthRules()
    path = Path(file)
    try:
        with path.open("rb") as stream:
            octets = stream.read(MAX_FILE_OCTETS + 1)
    except OSError as error:
        problem = f"fleet.health_rules: {path} cannot be read: {error.strerror}"
        advice = "Name the file with your rules, or remove the line"
        raise ConfigError([f"{problem}. {advice}"]) from error
    if len(octets) > MAX_FILE_OCTETS:
        raise ConfigError([f"{path}: larger than a file of rules can be (1 MiB)"])
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        line = octets[: error.start].count(b"\n") + 1
        raise ConfigError([f"{path}:{line}: not UTF-8 text. Save the file as UTF-8"]) from error
    return parse_rules(text, str(path))


def parse_rules(text: str, name: str) -> HealthRules:
    """Check the text of a file called `name`; ConfigError with every fault in it."""
    is_json = name.endswith(".json")
    values = _json(text, name) if is_json else _toml(text, name)
    origins: dict[KeyPath, int] = {}
    if not is_json:
        origins = dict(reversed(list(key_lines(text))))
    try:
        return read_rules(values)
    except RulesError as error:
        raise ConfigError(
            [
                f"{_origin(name, origins, one.path)}: {'.'.join(one.path)}: {one.said}"
                for one in error.problems
            ]
        ) from None


def _origin(name: str, origins: Mapping[KeyPath, int], path: Sequence[str]) -> str:
    for length in range(len(path), 0, -1):
        line = origins.get(tuple(path[:length]))
        if line is not None:
            return f"{name}:{line}"
    return name


def _toml(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{name}: not TOML: {error}"]) from None


class _TwiceError(ValueError):
    """A name stands twice in one object."""


def _json(text: str, name: str) -> dict[str, Any]:
    try:
        found = json.loads(text, object_pairs_hook=_pairs)
    except _TwiceError as error:
        raise ConfigError([f"{name}: {error}"]) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError([f"{name}: not JSON: {error}"]) from None
    if not isinstance(found, dict):
        raise ConfigError([f"{name}: not a JSON object"])
    return found


def _pairs(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    twice = sorted({one for one in names if names.count(one) > 1})
    if twice:
        raise _TwiceError(f"{twice[0]!r} stands twice in one object")
    return dict(pairs)
