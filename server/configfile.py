"""Reading `keystead.toml`: text to `Config`, or errors that name file, line, key and remedy."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from server.config import Config

KeyPath = tuple[str, ...]
ModelT = TypeVar("ModelT", bound=BaseModel)

MAX_FILE_OCTETS = 1 << 20


class ConfigError(Exception):
    """The configuration cannot be used. `problems`: one sentence per fault, with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Override(NamedTuple):
    """A value that the command line sets. option: how the operator wrote it, `--listen`."""

    path: KeyPath
    value: object
    option: str


def load(file: Path, overrides: Sequence[Override] = ()) -> Config:
    """Read `file` (absent: the defaults) under the command line's overrides; ConfigError."""
    return load_as(Config, file, overrides)


def load_as(
    model: type[ModelT],
    file: Path,
    overrides: Sequence[Override] = (),
    *,
    when_absent: str = "",
) -> ModelT:
    """Read a file as a model of its own; when_absent: refuse it then, and say what to do."""
    try:
        with file.open("rb") as stream:
            octets = stream.read(MAX_FILE_OCTETS + 1)
    except FileNotFoundError:
        if when_absent:
            raise ConfigError([f"{file} is absent. {when_absent}"]) from None
        octets = b""
    except OSError as error:
        raise ConfigError([f"{file}: cannot be read: {error.strerror}"]) from error
    if len(octets) > MAX_FILE_OCTETS:
        raise ConfigError([f"{file}: larger than a configuration can be (1 MiB)"])
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        line = octets[: error.start].count(b"\n") + 1
        raise ConfigError([f"{file}:{line}: not UTF-8 text. Save the file as UTF-8"]) from error
    return parse_as(model, text, str(file), overrides)


def parse(text: str, name: str, overrides: Sequence[Override] = ()) -> Config:
    """Check the text of a file called `name`; raises ConfigError with every fault in it."""
    return parse_as(Config, text, name, overrides)


def parse_as(
    model: type[ModelT], text: str, name: str, overrides: Sequence[Override] = ()
) -> ModelT:
    """Check a text as a model of its own; ConfigError."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_problem(name, text, error)]) from None
    origins: dict[KeyPath, str] = {
        path: f"{name}:{line}" for path, line in reversed(list(key_lines(text)))
    }
    for override in overrides:
        _put(values, override)
        origins[override.path] = override.option
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        # The chained error would print values, which may be what somebody pasted by mistake.
        raise ConfigError(
            [_problem(model, name, origins, p["type"], p["loc"], p["msg"]) for p in problems]
        ) from None


def _put(values: dict[str, Any], override: Override) -> None:
    table = values
    for part in override.path[:-1]:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            return  # the file is wrong there; validation says so
        table = inner
    table[override.path[-1]] = override.value


_POSITION = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


def _syntax_problem(name: str, text: str, error: tomllib.TOMLDecodeError) -> str:
    said = str(error)
    found = _POSITION.search(said)
    line = int(found[1]) if found and found[1] else max(1, len(text.splitlines()))
    what = _POSITION.sub("", said)
    return (
        f"{name}:{line}: not TOML: {what}."
        ' Write key = value, texts in double quotes, tables as [name], comments after "#"'
    )


_TABLE = re.compile(r"\s*\[\s*([A-Za-z0-9_.\s\"'-]+?)\s*\]\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_.\"'-]+(?:\s*\.\s*[A-Za-z0-9_\"'-]+)*)\s*=")


def key_lines(text: str) -> Iterator[tuple[KeyPath, int]]:
    """Yield where tables and keys are written. For messages only: tomllib has no positions."""
    table: KeyPath = ()
    for number, line in enumerate(text.splitlines(), 1):
        if found := _TABLE.match(line):
            table = _dotted(found[1])
            yield table, number
        elif found := _KEY.match(line):
            yield table + _dotted(found[1]), number


def _dotted(text: str) -> KeyPath:
    return tuple(part.strip().strip("\"'") for part in text.split("."))


def _problem(  # noqa: PLR0917 - the place of a fault, and the fault
    model: type[BaseModel],
    name: str,
    origins: Mapping[KeyPath, str],
    kind: str,
    loc: Sequence[int | str],
    message: str,
) -> str:
    path = tuple(part for part in loc if isinstance(part, str))
    while path and path not in origins and path[:-1] in origins:
        path = path[:-1]
    origin = origins.get(path, name)
    key = ".".join(path)
    if kind == "extra_forbidden":
        return f"{origin}: {key}: there is no such setting.{_suggestion(model, path)}"
    said = message.removeprefix("Value error, ").removeprefix("Input ").rstrip(".")
    if not path:
        return f"{origin}: {said}"  # about several tables, and all is said
    if kind == "value_error" and _fields_of(model, path) is not None:
        return f"{origin}: {key}: {said}"  # about the table as a whole, and all is said
    return f"{origin}: {key}: {said}.{_advice(model, path)}"


def _suggestion(model: type[BaseModel], path: KeyPath) -> str:
    known = _fields_of(model, path[:-1])
    if known is None:
        return " Remove the line"
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistyped file needs it

    near = get_close_matches(path[-1], known, n=1)
    if near:
        return f" Did you mean {near[0]}?"
    return f" Known here: {', '.join(sorted(known))}"


def _fields_of(model: type[BaseModel], table: KeyPath) -> Sequence[str] | None:
    for part in table:
        field = model.model_fields.get(part)
        if field is None or not isinstance(field.annotation, type):
            return None
        if not issubclass(field.annotation, BaseModel):
            return None
        model = field.annotation
    return list(model.model_fields)


def _advice(model: type[BaseModel], path: KeyPath) -> str:
    for part in path:
        field = model.model_fields.get(part)
        if field is None:
            return ""
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            model = field.annotation
            continue
        example = _toml(field.examples[0]) if field.examples else ""
        return f" It is {field.description}; write for example: {part} = {example}"
    return " It is a table: write its name in brackets, and its keys on lines of their own"


def _toml(value: object) -> str:
    """Render an example as TOML: JSON's form is the same for what a configuration holds."""
    import json  # noqa: PLC0415 - only a mistaken file needs it

    return json.dumps(value)


def to_toml(config: Config) -> str:
    """Print the effective configuration as a file that would load to the same values."""
    values = config.model_dump(mode="json", exclude_none=True)
    lines = [f"{k} = {_toml(v)}" for k, v in values.items() if not isinstance(v, dict)]
    for table, keys in values.items():
        if isinstance(keys, dict):
            lines += ["", f"[{table}]", *(f"{k} = {_toml(v)}" for k, v in keys.items())]
    return "\n".join(lines) + "\n"
