"""The sender of reports, as a process beside the one that measures verifications."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple


class Posting(NamedTuple):
    """What came of reports. answers: by status."""

    reports: int
    per_s: float
    answers: Mapping[str, int]
    p50_ms: float
    p99_ms: float


class Sender:
    """A sender at work."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def result(self) -> Posting:
        """Wait for its end, and return what came of it."""
        assert self._process.stdout is not None
        return Posting(**json.loads(self._process.stdout.readline()))


@contextlib.contextmanager
def posting(port: int, letters: Path, *, per_s: int, connections: int) -> Iterator[Sender]:
    """Send the letters of a file while the context lasts; it begins when all are in memory."""
    command = [sys.executable, "-m", "tests.server.fleet_bench.sender", str(port), str(letters)]
    with subprocess.Popen(
        [*command, str(per_s), str(connections)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        process.stdin.write("\n")
        process.stdin.flush()
        yield Sender(process)
