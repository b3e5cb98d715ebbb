"""One agent at a time in a directory."""

import os
from pathlib import Path
from typing import IO

from agent.private_file import open_private, private_directory


class AlreadyRunningError(Exception):
    """Another agent works here. The message is for people."""


def hold(directory: Path) -> IO[bytes]:
    """Return what holds the directory until it is closed. AlreadyRunningError, OSError."""
    private_directory(directory)
    file = os.fdopen(open_private(directory / "lock", os.O_RDWR), "r+b")
    try:
        _lock(file)
    except OSError:
        file.close()
        raise AlreadyRunningError(
            f"another keystead-agent works in {directory}; `keystead-agent status` tells of it"
        ) from None
    return file


def _lock(file: IO[bytes]) -> None:
    if os.name == "nt":
        import msvcrt  # noqa: PLC0415 - of this platform alone

        lock = getattr(msvcrt, "locking")  # noqa: B009 - elsewhere it is not there to be typed
        lock(file.fileno(), getattr(msvcrt, "LK_NBLCK"), 1)  # noqa: B009
        return
    import fcntl  # noqa: PLC0415

    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
