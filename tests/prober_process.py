"""A real prober in a process of its own, for tests at its doors.

with ProberProcess(keystead, tmp_path / "probe") as prober:
    prober.init()
    prober.start()
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from server.programs.probe_incident import show
from tests.keystead_process import Ended, HttpAnswer, KeysteadProcess

STOP_WITHIN_S = 30.0
COMMAND_WITHIN_S = 60.0


class ProberProcess:
    """One prober's directory, the commands on it and the process. keystead: whom it probes."""

    def __init__(self, keystead: KeysteadProcess, directory: Path) -> None:
        self.keystead = keystead
        self.directory = directory
        self.config = directory / "probe.toml"
        self.out_file = directory.parent / f"{directory.name}.stdout"
        self.log_file = directory.parent / f"{directory.name}.stderr"
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def init(self, settings: str = "") -> Any:  # noqa: ANN401 - any JSON
        """Make the prober by the service that runs; settings: written before what is made."""
        assert self.keystead.ready is not None
        url = self.keystead.ready.verify_url.partition("/wsapi")[0]
        made = self.keystead.cli("probe", "init", str(self.directory), "--probe", url)
        self.config.write_text(settings + self.config.read_text())
        return made

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        with self.out_file.open("wb") as out, self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "server", "probe", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env=self.keystead.environment,
            )
        self.keystead.wait_until(lambda: self._said() is not None or self._has_ended())
        said = self._said()
        assert said is not None, f"it ended before it was ready:\n{self.log_file.read_text()}"
        self.url = said

    def _said(self) -> str | None:
        found = re.search(r"^ready .*listen=(\S+)\n", self.out_file.read_text(), re.MULTILINE)
        return found[1] if found else None

    def _has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def terminate(self) -> int:
        """Send SIGTERM and return the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(STOP_WITHIN_S)

    def kill(self) -> None:
        """Kill it at once."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_WITHIN_S)

    def get(self, path: str) -> HttpAnswer:
        """GET a path of its listener."""
        return self.keystead.get(self.url + path)

    def metrics(self) -> dict[str, float]:
        """Return /metrics."""
        found = re.findall(
            r"^([^#\s]\S*(?:\{[^}]*\})?) (\S+)$", self.get("/metrics").text, re.MULTILINE
        )
        return {name: float(value) for name, value in found}

    def rounds(self, outcome: str, phase: str = "service") -> float:
        """Return how many rounds were good, or bad."""
        return self.metrics()[f'keystead_probe_total{{outcome="{outcome}",phase="{phase}"}}']

    def incident(self) -> Any:  # noqa: ANN401 - any JSON
        """Return the incident that it keeps, as `keystead probe show` does; None without one."""
        return show(self.config)

    def command(self, *arguments: str) -> Any:  # noqa: ANN401 - any JSON
        """Run a command beside it, which must succeed; return its JSON."""
        ended = self.run(*arguments)
        assert ended.code == 0, ended.err
        return ended.value

    def run(self, *arguments: str) -> Ended:
        """Run `keystead probe ARGUMENTS` beside it; without any, another prober."""
        done = subprocess.run(
            [
                *(sys.executable, "-m", "server", "probe"),
                *arguments,
                *("--config", str(self.config)),
                *(["--json"] if arguments else []),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.keystead.environment,
            timeout=COMMAND_WITHIN_S,
            check=False,
        )
        value = json.loads(done.stdout) if done.stdout else None
        return Ended(done.returncode, done.stdout, done.stderr, value)
