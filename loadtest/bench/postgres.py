"""A PostgreSQL of the bench's own: durable settings, loopback only, nobody else's data."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from loadtest.bench.processes import ProgramError, free_port, identity, running

_READY = "LOG:  database system is ready"
_SETTINGS = (
    "log_line_prefix=",
    "listen_addresses=127.0.0.1",
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "shared_buffers=512MB",
    "max_wal_size=4GB",
)


class PostgresMissingError(Exception):
    """There is no PostgreSQL server on this machine."""


class Postgres(NamedTuple):
    """A running server: the URL of its empty database, and the postmaster's pid."""

    url: str
    pid: int


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """Run the cluster in `folder`, made there when it is missing; PostgresMissingError."""
    programs = _programs()
    owner = _owner()
    data = folder / "cluster"
    if not data.exists():
        data.mkdir(parents=True, mode=0o700)
        if owner is not None:
            shutil.chown(data, owner)
        _make_cluster(programs, data, owner)
    port = free_port()
    serve = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", ""]
    for setting in _SETTINGS:
        serve += ["-c", setting]
    with running(serve, ready=_READY, log=folder / "postgres.log", user=owner) as pid:
        yield Postgres(f"postgresql://keystead@127.0.0.1:{port}/postgres", pid)


def _make_cluster(programs: Path, data: Path, owner: str | None) -> None:
    # "trust" is for the bench alone: loopback only, worthless keys, nothing else in it.
    ended = subprocess.run(  # noqa: S603 - PostgreSQL's own program
        [
            str(programs / "initdb"),
            f"--pgdata={data}",
            "--username=keystead",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ],
        capture_output=True,
        text=True,
        check=False,
        **identity(owner),
    )
    if ended.returncode:
        raise ProgramError(f"initdb failed:\n{ended.stderr}")


def _programs() -> Path:
    """Return the folder of the newest installed PostgreSQL's programs."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not folders:
        raise PostgresMissingError("PostgreSQL is missing: apt-get install postgresql")
    return folders[-1].parent


def _owner() -> str | None:
    """Return whom PostgreSQL runs as: it refuses root, so that is nobody's work then."""
    return "nobody" if os.geteuid() == 0 else None
