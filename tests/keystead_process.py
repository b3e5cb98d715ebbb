"""A real Keystead in processes of its own, on free loopback ports, for tests at its doors.

with KeysteadProcess(tmp_path / "var") as keystead:
    keystead.init("--sandbox")
    keystead.start(workers=2)
    answer = keystead.verify(client_id, keystead.otp())
"""

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import urlencode

if TYPE_CHECKING:
    import ssl

REPOSITORY = Path(__file__).resolve().parent.parent

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 30.0
COMMAND_WITHIN_S = 120.0

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Ready(NamedTuple):
    """What the ready line says."""

    line: str
    verify_url: str
    ops_url: str
    workers: int
    store: str
    admin_url: str = ""
    fleet_url: str = ""


class Ended(NamedTuple):
    """A command that ran to its end. value: its JSON, when it was asked for."""

    code: int
    out: str
    err: str
    value: Any


class HttpAnswer(NamedTuple):
    """An answer at a door."""

    code: int
    headers: Mapping[str, str]
    text: str

    @property
    def fields(self) -> dict[str, str]:
        """The `key=value` lines of a protocol answer."""
        lines = (line for line in self.text.split("\r\n") if line)
        return dict(line.partition("=")[::2] for line in lines)

    @property
    def status(self) -> str:
        """The protocol's status."""
        return self.fields["status"]


class KeysteadProcess:
    """One data directory, the commands on it and the service on it.

    Several services may run side by side, each on a directory of its own. Leaving the context
    kills what still runs: by the pids of our own children.
    """

    def __init__(self, directory: Path, *, environment: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("KEYSTEAD_")},
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONSAFEPATH": "1",
            "PYTHONUNBUFFERED": "1",
            **(environment or {}),
        }
        self.trusted: ssl.SSLContext | None = None
        """Whom to believe at an https address: set it before the first request."""
        self.sandbox: dict[str, Any] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.ready: Ready | None = None
        self.out_file = directory.parent / f"{directory.name}.stdout"
        self.log_file = directory.parent / f"{directory.name}.stderr"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    # Commands

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of `keystead ARGUMENTS --data DIRECTORY`."""
        return [sys.executable, "-m", "server", *arguments, "--data", str(self.directory)]

    def run(self, *arguments: str, stdin: str | None = None, data: bool = True) -> Ended:
        """Run one command to its end, whatever its exit code. data: on the data directory."""
        command = self.command(*arguments)
        ended = subprocess.run(
            command if data else command[:-2],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=COMMAND_WITHIN_S,
            check=False,
        )
        value = None
        if "--json" in arguments and ended.stdout:
            value = json.loads(ended.stdout)
        return Ended(ended.returncode, ended.stdout, ended.stderr, value)

    def cli(self, *arguments: str, stdin: str | None = None) -> Any:  # noqa: ANN401 - any JSON
        """Run one command with --json, which must succeed; return its JSON."""
        ended = self.run(*arguments, "--json", stdin=stdin)
        assert ended.code == 0, f"keystead {' '.join(arguments)}: {ended.code}\n{ended.err}"
        return ended.value

    def init(self, *options: str) -> Any:  # noqa: ANN401 - any JSON
        """Run `keystead init`; with "--sandbox" the answer has the sandbox's client."""
        made = self.cli("init", *options)
        self.sandbox = made.get("sandbox", {})
        return made

    def configure(self, text: str) -> None:
        """Write the configuration file."""
        (self.directory / "keystead.toml").write_text(text)

    def otp(self) -> str:
        """Return the sandbox key's next OTP."""
        ended = self.run("otp")
        assert ended.code == 0, ended.err
        return ended.out.strip()

    # The service

    def launch(
        self,
        *,
        workers: int = 1,
        database: str | None = None,
        listen: str = "127.0.0.1:0",
        ops_listen: str = "127.0.0.1:0",
        options: Sequence[str] = (),
        prefix: Sequence[str] = (),
    ) -> None:
        """Start `keystead serve` without waiting. prefix: a program to run it under."""
        assert self.process is None or self.process.poll() is not None, "it runs already"
        arguments = ["serve", "--listen", listen, "--ops-listen", ops_listen]
        arguments += ["--workers", str(workers)]
        if database is not None:
            arguments += ["--database", database]
        self.ready = None
        with self.out_file.open("wb") as out, self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*prefix, *self.command(*arguments, *options)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env=self.environment,
            )

    def start(self, **launch: Any) -> Ready:  # noqa: ANN401 - as `launch`
        """Start `keystead serve` and wait for its ready line. Arguments as for `launch`."""
        self.launch(**launch)
        return self.await_ready()

    def await_ready(self) -> Ready:
        """Wait for the ready line of a service that was launched."""
        self.wait_until(lambda: self._ready_line() is not None or self._has_ended())
        line = self._ready_line()
        assert line is not None, f"it ended before it was ready:\n{self.log_text()}"
        said = dict(part.split("=", 1) for part in line.split()[1:])
        self.ready = Ready(
            line,
            said["verify"],
            said["ops"],
            int(said["workers"]),
            said["store"],
            said.get("admin", ""),
            said.get("fleet", ""),
        )
        return self.ready

    def _ready_line(self) -> str | None:
        lines = self.out_file.read_text(errors="replace").splitlines(keepends=True)
        found = [line for line in lines if line.startswith("ready") and line.endswith("\n")]
        assert len(found) <= 1
        return found[0].rstrip("\n") if found else None

    def _has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    @property
    def pid(self) -> int:
        """The process that was started: the control process when there are workers."""
        assert self.process is not None
        return self.process.pid

    def worker_pids(self) -> dict[int, int]:
        """Return the newest ready worker of each slot, from the log: {slot: pid}."""
        return {
            line["slot"]: line["worker"]
            for line in self.logs(since_start=True)
            if line["event"] == "worker_ready"
        }

    def terminate(self) -> int:
        """Send SIGTERM and return the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_WITHIN_S)

    def kill(self) -> None:
        """Kill the service at once, as a crash would. Its workers must notice by themselves."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_WITHIN_S)

    def wait(self) -> int:
        """Wait for the service to end by itself and return its exit code."""
        assert self.process is not None
        return self.process.wait(STOP_WITHIN_S)

    @staticmethod
    def wait_until(condition: Any, *, within_s: float = READY_WITHIN_S) -> None:  # noqa: ANN401
        """Wait for something that other processes bring about; AssertionError when late."""
        give_up = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < give_up, "it did not happen in time"
            time.sleep(0.02)

    # What it says

    def log_text(self) -> str:
        """Return everything written to standard error, by all services so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def logs(self, *, since_start: bool = False) -> list[dict[str, Any]]:
        """Return the log's JSON lines; since_start: of the service that runs now only."""
        lines: list[dict[str, Any]] = []
        for line in self.log_text().splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                lines.append(json.loads(line))
        if since_start:
            starts = [i for i, line in enumerate(lines) if line.get("event") == "starting"]
            return lines[starts[-1] :] if starts else []
        return lines

    # The doors

    def _opener(self) -> urllib.request.OpenerDirector:
        if self.trusted is None:
            return _DIRECT
        https = urllib.request.HTTPSHandler(context=self.trusted)
        return urllib.request.build_opener(urllib.request.ProxyHandler({}), https)

    def get(self, url: str, *, timeout_s: float = 30.0) -> HttpAnswer:
        """GET a URL; also refusals are answers."""
        try:
            with self._opener().open(url, timeout=timeout_s) as answer:
                return HttpAnswer(answer.status, dict(answer.headers), answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return HttpAnswer(error.code, dict(error.headers), error.read().decode())

    def verify(self, client_id: int, otp: str, nonce: str | None = None, **more: str) -> HttpAnswer:
        """Validate an OTP, unsigned."""
        assert self.ready is not None
        query = {"id": str(client_id), "otp": otp, "nonce": nonce or secrets.token_hex(16), **more}
        return self.get(f"{self.ready.verify_url}?{urlencode(query)}")

    def metrics(self) -> dict[str, float]:
        """Return /metrics: {'keystead_verify_responses_total{status="OK"}': 1.0, ...}."""
        assert self.ready is not None
        text = self.get(f"{self.ready.ops_url}/metrics").text
        found = re.findall(r"^([^#\s]\S*(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in found}

    def responses(self, status: str) -> float:
        """Return how many answers had a status, over all workers."""
        return self.metrics()[f'keystead_verify_responses_total{{status="{status}"}}']
