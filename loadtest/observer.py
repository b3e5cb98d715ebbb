"""What can be learnt about a service beside its answers: its command line and its /metrics."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loadtest.ledger import Clock
from loadtest.proof.snapshot import Snapshot, Standing, answers_counted

_COMMAND_WITHIN_S = 120.0
_METRICS_WITHIN_S = 10.0
_MAX_METRICS = 1 << 22


class ObserverError(Exception):
    """The service's own command line or /metrics cannot be read; says why."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:  # noqa: ANN401 - urllib's hook
        """Follow none: it would lead to a host that nobody allowed."""


class Observer:
    """Reads the store now and then, and appends what it read to a file.

    command: `keystead --data DIR` as words, or None; metrics: the URL of /metrics, already
    admitted, or None; keys: the public ids that matter; file: for the snapshots; every_s: how
    often the store is read.
    """

    def __init__(
        self,
        command: Sequence[str] | None,
        metrics: str | None,
        keys: Sequence[str],
        *,
        clock: Clock,
        file: Path,
        every_s: float,
    ) -> None:
        self._command = command
        self._metrics = metrics
        self._keys = frozenset(keys)
        self._clock = clock
        self._file = file
        self._every_s = every_s
        self._next_s = 0.0
        self._counted_before: Mapping[str, int] | None = None

    def begin(self) -> None:
        """Note how things stand before the first request; ObserverError."""
        self.look()
        self._counted_before = self._read_metrics()

    def look_now_and_then(self) -> None:
        """Read the store when that was not done for a while."""
        if time.monotonic() >= self._next_s:
            self.look()

    def look(self) -> None:
        """Read the store's counters; ObserverError."""
        if self._command is None:
            return
        from_us = self._clock.now_us()
        shown = self._ask("key", "list", "--json")
        try:
            keys = {
                key["public_id"]: Standing.of(key)
                for key in shown["keys"]
                if key["public_id"] in self._keys
            }
        except (KeyError, TypeError, ValueError) as error:
            raise ObserverError("`keystead key list --json` printed something else") from error
        with self._file.open("a", encoding="ascii") as file:
            file.write(Snapshot(from_us, self._clock.now_us(), keys).line())
        self._next_s = time.monotonic() + self._every_s

    def counted(self) -> Mapping[str, int] | None:
        """Return the answers counted since `begin`; None when unknown, or the service restarted."""
        before, after = self._counted_before, self._read_metrics()
        if before is None or after is None:
            return None
        since = {status: count - before.get(status, 0) for status, count in after.items()}
        return None if any(count < 0 for count in since.values()) else since

    def _ask(self, *arguments: str) -> Any:  # noqa: ANN401 - any JSON
        command = [*(self._command or ()), *arguments]
        try:
            ended = subprocess.run(  # noqa: S603 - what the operator named
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_COMMAND_WITHIN_S,
                check=False,
            )
            if ended.returncode:
                raise ObserverError(f"{command[0]} {' '.join(arguments)}: {ended.stderr.strip()}")
            return json.loads(ended.stdout)
        except (OSError, subprocess.TimeoutExpired, ValueError) as error:
            raise ObserverError(f"{command[0]} {' '.join(arguments)}: {error}") from error

    def _read_metrics(self) -> Mapping[str, int] | None:
        if self._metrics is None:
            return None
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
        try:
            with direct.open(self._metrics, timeout=_METRICS_WITHIN_S) as answer:
                counted = answers_counted(answer.read(_MAX_METRICS).decode("utf-8"))
        except (OSError, ValueError) as error:
            raise ObserverError(f"{self._metrics} cannot be read: {error}") from error
        if not counted:
            raise ObserverError(f"{self._metrics} counts no answers: is it Keystead's /metrics?")
        return counted
