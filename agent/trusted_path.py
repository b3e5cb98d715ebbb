"""Who can change a program that the system is to start: root alone, or nothing is installed.

On macOS the agent runs as root, everywhere it has the host's key: a program in somebody's home is
that somebody's way to both.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

_HOMES = ("/home", "/root", "/run/user")
"""What the systemd unit hides from the agent (ProtectHome)."""


class UntrustedProgramError(OSError):
    """Others than root can change the program. The message is for people."""


def check_program(files: Iterable[Path], *, hidden: bool) -> None:
    """Hold that root alone can change these files. UntrustedProgramError.

    hidden: homes are hidden from the program, so that it could not be started from one.
    """
    for file in files:
        ways = tuple(_ways_to(file))
        homes = [str(part) for part in ways if hidden and str(part) in _HOMES]
        if homes:
            raise UntrustedProgramError(
                f"{file} is below {homes[0]}, which systemd hides from the agent. {_ADVICE}"
            )
        for part in ways:
            if others_can_change(part.lstat()):
                raise UntrustedProgramError(
                    f"{part} can be changed by others than root, and so can {file}. {_ADVICE}"
                )


def others_can_change(found: os.stat_result) -> bool:
    """Tell whether somebody else than root can change a file, or what a directory holds."""
    if stat.S_ISLNK(found.st_mode):
        return False  # it is changed by who can change its directory
    if found.st_uid != 0:
        return True
    by_group = found.st_mode & stat.S_IWGRP and found.st_gid != 0
    by_all = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
    return bool(by_group or by_all)


def _ways_to(file: Path) -> Iterator[Path]:
    """Yield a file and all directories above it, as it is called and as links lead to it."""
    called = Path(os.path.abspath(file))  # noqa: PTH100 - links stay
    for way in dict.fromkeys((called, called.resolve())):
        yield way
        yield from way.parents


_ADVICE = (
    "Install it where root alone writes: python3 -m venv /opt/keystead-agent, and"
    " /opt/keystead-agent/bin/pip install 'keystead[agent]', both as root"
)
