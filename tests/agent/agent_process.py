"""A real keystead-agent in a process of its own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

_WITHIN_S = 60.0


class AgentProcess:
    """One directory, commands on it, and the service."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "agent", "--data", self.directory, *words],
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            check=False,
            env={**os.environ, "PYTHONWARNINGS": "error"},
        )

    def enrol(self, url: str, token: str, *more: str) -> None:
        """Enrol it."""
        self.directory.mkdir(exist_ok=True)
        file = self.directory / "token"
        file.write_text(token)
        done = self.command("enroll", "--server", url, "--token-file", str(file), *more)
        assert done.returncode == 0, done.stderr
        assert token not in done.stdout + done.stderr

    def data(self, *words: str) -> Any:  # noqa: ANN401 - JSON
        """Run a command that prints JSON."""
        done = self.command(*words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @property
    def log(self) -> str:
        """What the service said."""
        return (self.directory / "log").read_text()

    @property
    def pid(self) -> int:
        """Of the service."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the service."""
        self.directory.mkdir(exist_ok=True)
        self._log = (self.directory / "log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "agent", "--data", self.directory, "run"], stderr=self._log
        )

    def kill(self) -> None:
        """End the service as no program can prevent."""
        self._end(signal.SIGKILL)

    def end(self) -> int:
        """Wait until the service ends by itself; returns the exit code."""
        return self._end(None)

    def stop(self) -> int:
        """End the service as systemd does; returns the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals | None) -> int:
        assert self._process is not None
        assert self._log is not None
        if how is not None:
            self._process.send_signal(how)
        code = self._process.wait(_WITHIN_S)
        self._log.close()
        self._process = None
        return code
