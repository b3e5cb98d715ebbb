"""`python -m loadtest.bench.moving`: import a million keys while verifications are answered.

The files are those of a reference server: keys in random order, as many counters, 50 clients. The
service meanwhile answers an open loop of requests (paced.py) with keys that it had before. With
`--bad-line` the last line of the keys is at fault, and the import has to be refused.
"""

import argparse
import base64
import contextlib
import itertools
import json
import random
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from loadtest.bench.console import say
from loadtest.bench.estate import Estate, Store, standing
from loadtest.bench.keyring import Keyring
from loadtest.bench.paced import Pace, pace
from loadtest.bench.postgres import PostgresMissingError
from loadtest.bench.processes import ProgramError
from loadtest.bench.service import Installation

IMPORT_WITHIN_S = 120.0
P99_BELOW_US = 50_000

_PRESENT = 2_000
_FIRST_CLIENT, _CLIENTS = 1_001, 50
_BEFORE_S = 10
_LONGEST_S = 600
_CONNECTIONS = 32
_LOOK_EVERY_S = 0.25
_BAD_LINE = "7,nothex!,0,0,0,,\n"


class Moved(NamedTuple):
    """One import. seconds: what the command took; said: its last words; peaks: see `Peaks`."""

    seconds: float
    code: int
    said: str
    peaks: "Peaks"


class Peaks(NamedTuple):
    """Memory at most, in kB: of the service, of the process that reads for it, of the command."""

    service: int = 0
    reader: int = 0
    command: int = 0

    def seen(self, service: int, command: int) -> "Peaks":
        """Look again. service, command: their pids."""
        readers = (_peak_kb(pid) for pid in _children(service))
        now = Peaks(_peak_kb(service), max(readers, default=0), _peak_kb(command))
        return Peaks(*map(max, self, now))


class Files(NamedTuple):
    """A reference server's files in a folder."""

    folder: Path

    @property
    def options(self) -> list[str]:
        """Return the options of `keystead import` that name them."""
        named = ((f"--{name}", str(self.folder / f"{name}.csv")) for name in _FILES)
        return list(itertools.chain.from_iterable(named))

    def write(self, count: int, *, bad_line: bool) -> None:
        """Write them; the keys hold (worthless) secrets, so nobody else may read them."""
        ring = Keyring(secrets.token_bytes(16), _PRESENT + count)
        numbers = list(range(_PRESENT, _PRESENT + count))
        random.shuffle(numbers)
        lines = (next(ring.ksm_lines(number, number + 1)) for number in numbers)
        self._write("keys", itertools.chain(lines, [_BAD_LINE] * bad_line))
        self._write("counters", (_counters(ring, number) for number in sorted(numbers)))
        clients = range(_FIRST_CLIENT, _FIRST_CLIENT + _CLIENTS)
        self._write("clients", (_client(number) for number in clients))

    def _write(self, name: str, lines: Iterator[str]) -> None:
        file = self.folder / f"{name}.csv"
        file.touch(mode=0o600)
        with file.open("w") as stream:
            stream.writelines(lines)


_FILES = ("keys", "counters", "clients")


def _counters(ring: Keyring, number: int) -> str:
    public_id = ring.key(number, 0).public_id
    nonce = secrets.token_hex(16)
    return f"1,1700000000,1700000001,{public_id},{number % 1000},{number % 256},9,4,{nonce},\n"


def _client(number: int) -> str:
    api_key = base64.b64encode(secrets.token_bytes(20)).decode()
    return f"{number},1,1700000000,{api_key},user{number}@example.org,,\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure once; exit code 1 when what was asked for is not reached."""
    asked = _parser().parse_args(arguments)
    try:
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keystead-move-")))
            # PostgreSQL runs as somebody else when we are root, and has to find its folder.
            folder.chmod(0o711)
            say(f"writing files of {asked.keys:,} keys")
            files = Files(folder)
            files.write(asked.keys, bad_line=asked.bad_line)
            store = cast("Store", asked.store)
            estate = stack.enter_context(standing(folder / "estate", store, _PRESENT))
            return _measure(asked, estate, files, folder / "estate" / "data")
    except (PostgresMissingError, ProgramError) as error:
        sys.stderr.write(f"bench: {error}\n")
        return 2


def _measure(asked: argparse.Namespace, estate: Estate, files: Files, data: Path) -> int:
    before = _pace(estate, estate.requests(asked.per_s * _BEFORE_S), asked.per_s)
    _tell("before", before)
    requests = estate.requests(asked.per_s * _LONGEST_S)
    installation = Installation(data, None)
    command = installation.command("import", *files.options)
    moved, during = _while_asked(command, estate, requests, asked.per_s)
    _tell("while importing", during)
    service, reader, command_itself = (peak >> 10 for peak in moved.peaks)
    say(
        f"import of {asked.keys:,} keys: {moved.seconds:.0f} s, exit code {moved.code}; memory at"
        f" most: service {service} MB, its reader {reader} MB, command {command_itself} MB\n"
        f"{moved.said}"
    )
    if asked.bad_line:
        present = len(json.loads(installation.say("key", "list", "--json"))["keys"])
        say(
            f"{present:,} keys are there, as before"
            if present == _PRESENT
            else "NOT ALL OR NOTHING"
        )
        named = f"keys.csv:{asked.keys + 1}: " in moved.said
        refused = moved.code == 1 and named and present == _PRESENT
        return int(not refused or bool(during.fault))
    good = moved.code == 0 and moved.seconds < IMPORT_WITHIN_S
    return int(not good or during.p99_us >= P99_BELOW_US or bool(during.fault))


def _while_asked(
    command: Sequence[str], estate: Estate, requests: Sequence[str], per_s: int
) -> tuple[Moved, Pace]:
    """Run an import, and ask for as long as it takes."""
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=output)  # noqa: S603 - our own
        ended = look_at = 0.0
        peaks = Peaks()

        def runs(_: str) -> bool:
            nonlocal ended, look_at, peaks
            if process.poll() is None:
                if (now := time.perf_counter()) >= look_at:
                    look_at = now + _LOOK_EVERY_S
                    peaks = peaks.seen(estate.service.pid, process.pid)
                return True
            ended = ended or time.perf_counter()
            return False

        paced = _pace(estate, itertools.takewhile(runs, requests), per_s)
        process.wait()
        seconds = (ended or time.perf_counter()) - began
        output.seek(0)
        said = output.read().decode(errors="replace")[-1000:].strip()
    return Moved(seconds, process.returncode, said, peaks), paced


def _pace(estate: Estate, requests: Iterator[str] | Sequence[str], per_s: int) -> Pace:
    return pace(estate.service.port, requests, per_s=per_s, connections=_CONNECTIONS)


def _tell(when: str, paced: Pace) -> None:
    p50, p99, longest = (value / 1000 for value in paced[2:5])
    say(
        f"{when}: {paced.per_s:.0f} of {paced.asked_per_s:.0f} a second,"
        f" p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {longest:.0f} ms {paced.fault}"
    )


def _peak_kb(pid: int) -> int:
    """Return the most memory that a process had so far; 0 where /proc does not tell (macOS)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) if found else 0


def _children(pid: int) -> list[int]:
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return []


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench.moving", description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--per-s", type=int, default=500, help="verifications meanwhile")
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--bad-line", action="store_true", help="the keys' last line is at fault")
    return parser


if __name__ == "__main__":
    sys.exit(main())
