"""Programs under measurement: started, awaited, stopped; and what processor time they used."""

import contextlib
import os
import pwd
import select
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_STOP_WITHIN_S = 20.0


class ProgramError(Exception):
    """A program under measurement did not start, or ended by itself. Holds its last words."""


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    ready: str,
    log: Path,
    within_s: float = 30.0,
    user: str | None = None,
) -> Iterator[int]:
    """Run `command` until it prints a line starting with `ready`; yield its pid; stop it.

    log: where its output goes; ProgramError quotes the end of it. user: whom to run as.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the bench's own programs
            command, stdout=output, stderr=subprocess.STDOUT, **identity(user)
        )
    try:
        deadline = time.monotonic() + within_s
        while not _has_line(log, ready):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ProgramError(f"{command[0]} did not get ready:\n{log.read_text()[-2000:]}")
            select.select([], [], [], 0.05)
        yield process.pid
        if process.poll() is not None:
            raise ProgramError(f"{command[0]} ended by itself:\n{log.read_text()[-2000:]}")
    finally:
        process.terminate()
        try:
            process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Identity(TypedDict, total=False):
    """The arguments by which subprocess runs a program as somebody else."""

    user: str
    group: int
    extra_groups: list[int]


def identity(user: str | None) -> Identity:
    """Return what `subprocess` needs to run as `user` (None: as whoever runs the bench)."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _has_line(log: Path, start: str) -> bool:
    return any(line.startswith(start) for line in log.read_text(errors="replace").splitlines())


def free_port() -> int:
    """Return a loopback TCP port that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def processor_seconds(root: int) -> float:
    """Return user plus system time of a process, its living descendants and its reaped children.

    Read from /proc; 0.0 where there is none (macOS).
    """
    parents = {}
    ticks = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended while we looked
        pid = int(folder.name)
        parents[pid] = int(fields[1])
        # proc(5): utime, stime are fields 14, 15; cutime, cstime 16, 17; `fields` starts at 3.
        ticks[pid] = sum(int(field) for field in fields[11:15])
    return sum(ticks[pid] for pid in ticks if _descends(pid, root, parents)) / _TICKS_PER_S


def _descends(pid: int, root: int, parents: Mapping[int, int]) -> bool:
    while pid != root and pid in parents:
        pid = parents[pid]
    return pid == root
