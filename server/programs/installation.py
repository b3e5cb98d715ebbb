"""Which data directory a command works on, with which configuration."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from server.datadir import DataDirectory

if TYPE_CHECKING:
    from server.config import Config

VARIABLE = "KEYSTEAD_DATA"
DEFAULT = Path("var")


class Setting(NamedTuple):
    """A setting given on the command line: where it belongs, its value (None: not given)."""

    path: tuple[str, ...]
    value: object
    option: str


def data_directory(*given: Path | None) -> DataDirectory:
    """Return the directory: the first that was given, KEYSTEAD_DATA, else ./var."""
    for path in given:
        if path is not None:
            return DataDirectory(path)
    return DataDirectory(Path(os.environ.get(VARIABLE) or DEFAULT))


def configuration(data: DataDirectory, settings: Sequence[Setting] = ()) -> "Config":
    """Load the directory's configuration under the command line's settings; ConfigError."""
    # Reading configuration takes pydantic, which `keystead otp` and `--help` do without.
    from server.configfile import Override, load  # noqa: PLC0415

    return load(data.config_file, [Override(*one) for one in settings if one.value is not None])
