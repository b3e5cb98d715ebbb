"""Keystead as the bench sees it: its command line, its two listeners, its process tree."""

import base64
import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from loadtest.bench.console import say
from loadtest.bench.keyring import Keyring
from loadtest.bench.processes import ProgramError, free_port, running

_KEYS_PER_IMPORT = 100_000
_KEYS_CACHED = 200_000
_NO_LIMIT = 1_000_000
_COMMAND_WITHIN_S = 900


class Installation(NamedTuple):
    """One data directory and where its store is.

    database: a PostgreSQL URL, or None; program: the `keystead` that is measured, None for the one
    beside this.
    """

    data: Path
    database: str | None
    program: Path | None = None

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of `keystead` for this data directory."""
        if self.program is not None:
            return [str(self.program), *arguments, "--data", str(self.data)]
        beside = Path(sys.executable).with_name("keystead")
        found = str(beside) if beside.exists() else shutil.which("keystead")
        program = [found] if found else [sys.executable, "-m", "server"]
        return [*program, *arguments, "--data", str(self.data)]

    def say(self, *arguments: str) -> str:
        """Run one command to its end and return what it printed; ProgramError."""
        return _run(self.command(*arguments))

    def remember_keys(self, keys: int) -> None:
        """Let a worker keep as many sealed keys in memory, as an operator of so many would."""
        file = self.data / "keystead.toml"
        setting = f"[verify]\nkeys_cached = {max(keys, _KEYS_CACHED)}\n"
        file.write_text(file.read_text().replace("[verify]\n", setting, 1))

    def journal_counters(self, directory: Path) -> None:
        """Let the service keep a counter journal."""
        file = self.data / "keystead.toml"
        setting = f'[backup]\ncounter_journal = "{directory}"\n'
        file.write_text(file.read_text().replace("[backup]\n", setting, 1))

    def set(self, settings: str) -> None:
        """Add tables to the configuration."""
        file = self.data / "keystead.toml"
        file.write_text(f"{file.read_text()}\n{settings}")

    @contextlib.contextmanager
    def serving(self, log: Path, workers: int = 1) -> Iterator["Service"]:
        """Run `keystead serve`."""
        port, operations = free_port(), free_port()
        arguments = ["serve", "--workers", str(workers), "--listen", f"127.0.0.1:{port}"]
        arguments += ["--ops-listen", f"127.0.0.1:{operations}"]
        if self.database is not None:
            arguments += ["--database", self.database]
        with running(self.command(*arguments), ready="ready", log=log) as pid:
            yield Service(port, operations, pid)


class Service(NamedTuple):
    """A running Keystead."""

    port: int
    operations_port: int
    pid: int


def enrol(installation: Installation, name: str) -> tuple[int, bytes]:
    """Create a client whose limit does not get in the way; return its id and API key."""
    client = json.loads(installation.say("client", "add", name, "--json"))
    limit = ("--rate", str(_NO_LIMIT), "--burst", str(_NO_LIMIT))
    installation.say("client", "limit", str(client["id"]), *limit)
    return client["id"], base64.b64decode(client["api_key"])


def import_keys(installation: Installation, keyring: Keyring, folder: Path) -> None:
    """Import the whole keyring in files of at most 100,000 lines."""
    for start in range(0, keyring.count, _KEYS_PER_IMPORT):
        file = folder / "keys.csv"
        # The file holds (worthless) key material: made private, removed at once.
        file.touch(mode=0o600)
        try:
            with file.open("w") as lines:
                lines.writelines(keyring.ksm_lines(start, start + _KEYS_PER_IMPORT))
            installation.say("key", "import", str(file), "--format", "ksm")
        finally:
            file.unlink()
        if keyring.count > _KEYS_PER_IMPORT:
            say(f"  {min(start + _KEYS_PER_IMPORT, keyring.count):,} keys imported")


def _run(command: Sequence[str]) -> str:
    ended = subprocess.run(  # noqa: S603 - our own program
        command, capture_output=True, text=True, timeout=_COMMAND_WITHIN_S, check=False
    )
    if ended.returncode:
        raise ProgramError(f"{' '.join(command)} failed:\n{ended.stderr or ended.stdout}")
    return ended.stdout
