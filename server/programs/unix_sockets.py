"""Unix sockets of the data directory: the admin door's, and a client's connection to it."""

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.config import Config
    from server.datadir import DataDirectory

BACKLOG = 1024
"""Connections the kernel holds while a worker is busy or being replaced."""

MAX_SOCKET_PATH = 100
"""Octets of a Unix socket's path that every system takes (Linux 107, macOS 103)."""


class ListenError(Exception):
    """An address cannot be listened on; the message says why and what to do."""


def at_unix_path(path: Path, use: Callable[[str], None]) -> None:
    """Call `use` with a short name of a Unix socket's path; ListenError when there is none.

    The kernel keeps such paths in about 100 octets. Linux can name the directory through
    /proc/self/fd; elsewhere a deep data directory is refused in words.
    """
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        use(str(path))
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        short = f"/proc/self/fd/{directory}"
        if not Path(short).exists():
            raise ListenError(
                f"{path} is longer than a socket's path can be ({MAX_SOCKET_PATH} octets)."
                " Choose a data directory with a shorter path"
            )
        use(f"{short}/{path.name}")
    finally:
        os.close(directory)


def listen_unix(path: Path) -> socket.socket:
    """Return a listening Unix socket, mode 0600, in place of one that a dead process left.

    The caller holds the data directory's lock, so whatever is there is nobody's.
    """
    if path.is_symlink() or (path.exists() and not stat.S_ISSOCK(path.stat().st_mode)):
        raise ListenError(f"{path} is in the way and is not a socket. Remove it")
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Its directory is 0700 already; the mode is for whoever changes that. chmod after bind
    # would leave a moment, and umask is the process's: nothing else runs in this one yet.
    mask = os.umask(0o177)
    try:
        at_unix_path(path, made.bind)
        made.listen(BACKLOG)
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    finally:
        os.umask(mask)
    return made


def connect_unix(path: Path, timeout_s: float) -> socket.socket:
    """Return a connected Unix socket; OSError when nobody answers there."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.settimeout(timeout_s)
        at_unix_path(path, made.connect)
    except BaseException:
        made.close()
        raise
    return made


def needs_hsm_socket(config: "Config", data: "DataDirectory") -> bool:
    """Whether other processes of this service open OTPs inside the HSM that one process has."""
    return config.hsm.mode == "strict" and config.hsm.is_embedded and data.has_hsm
