"""A real PostgreSQL for tests: made, started, stopped and killed here, unprivileged.

with PostgresServer() as server:
    store = await open_postgres(server.new_database(), ...)
"""

import contextlib
import ctypes
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.system_programs import missing

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)

_USER = "keystead"
_READY_WITHIN_S = 60.0
_STOPPED_WITHIN_S = 60.0
_POLL_S = 0.02


def postgres_programs() -> Path:
    """Return the directory of the newest server's programs; skips when there is none."""
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"),
        key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0,
    )
    if debian:
        return debian[-1].parent
    on_path = shutil.which("postgres")
    if on_path is None or shutil.which("initdb", path=str(Path(on_path).parent)) is None:
        missing("PostgreSQL's server programs (postgres, initdb)", package="postgresql")
    return Path(on_path).parent


class PostgresServer:
    """A server with a data directory of its own, on a free port of 127.0.0.1.

    settings: server settings beside the defaults, e.g. {"fsync": "off"}. Whoever can reach
    the port is trusted: nothing but test data is in there.
    """

    def __init__(self, settings: dict[str, str] | None = None) -> None:
        self._programs = postgres_programs()
        self._settings = settings or {}
        self._directory = Path(tempfile.mkdtemp(prefix="keystead-pg-"))
        self._data = self._directory / "data"
        self._log = self._directory / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self.port = _free_port()
        try:
            self._initialise()
        except BaseException:
            shutil.rmtree(self._directory, ignore_errors=True)
            raise

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        if self._process is None:
            raise AssertionError("the server is not running")
        return self._process.pid

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Create an empty database and return its URL."""
        name = f"t{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, sql: str, *, database: str = "postgres") -> str:
        """Run SQL as the server's superuser; returns what psql prints, without headers."""
        done = subprocess.run(
            (
                *(self._programs / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1"),
                *("-c", sql, "-d", self.url(database)),
            ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr}")
        return done.stdout.strip()

    def start(self) -> None:
        """Start and wait until connections are served; also after a kill."""
        deadline = time.monotonic() + _READY_WITHIN_S
        if self._process is not None and self._process.poll() is None:
            raise AssertionError("the server is running already")
        # Backends of a killed postmaster linger for a moment and keep the data directory.
        while not self._start_once(deadline):
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start:\n{self._log_tail()}")
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Shut down: connections are cut, transactions rolled back, all is written."""
        self._end(signal.SIGINT)

    def kill9(self) -> None:
        """Kill the postmaster; its backends notice and die."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """Stop if need be and delete everything."""
        if self._process is not None and self._process.poll() is None:
            self._end(signal.SIGQUIT)  # no checkpoint: nothing is kept
        shutil.rmtree(self._directory, ignore_errors=True)

    def _initialise(self) -> None:
        owner = _owner()
        if owner:
            os.chown(self._directory, owner["user"], owner["group"])
        subprocess.run(
            (
                *(self._programs / "initdb", "-D", self._data, "-U", _USER, "-A", "trust"),
                *("-E", "UTF8", "--locale=C", "--no-sync"),
            ),
            check=True,
            capture_output=True,
            cwd=self._directory,
            timeout=120,
            **owner,
        )

    def _start_once(self, deadline: float) -> bool:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self._directory),
            "max_connections": "200",
            **self._settings,
        }
        options = [word for name in settings for word in ("-c", f"{name}={settings[name]}")]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._directory,
                start_new_session=True,
                preexec_fn=_end_with_the_tests,  # noqa: PLW1509 - one call of libc, loaded before
                **_owner(),
            )
        while self._process.poll() is None:
            if self._says_ready():
                return True
            if time.monotonic() > deadline:
                self._end(signal.SIGKILL)
                return False
            time.sleep(_POLL_S)
        return False

    def _says_ready(self) -> bool:
        with contextlib.suppress(OSError):
            lines = (self._data / "postmaster.pid").read_text("ascii").splitlines()
            # The file may just be being written.
            return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"
        return False

    def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(_STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError(f"PostgreSQL does not stop:\n{self._log_tail()}") from None

    def _log_tail(self) -> str:
        return self._log.read_text("utf-8", "replace")[-2000:] if self._log.exists() else ""


def _end_with_the_tests() -> None:
    """Let Linux stop the server when the tests were killed and could not."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _owner() -> dict[str, Any]:
    """Return who the server runs as: PostgreSQL refuses to run as root."""
    if os.geteuid():
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise RuntimeError("there is no user postgres or nobody to run PostgreSQL as")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
