"""Has a system start the agent: files and commands, planned first, then carried out.

The plans are pure: tests read them. `--root DIR` writes the files below a directory and runs
nothing, for packages and for people who look first.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeAlias
from xml.sax.saxutils import escape

from agent import this_host
from agent.trusted_path import check_program

_PROGRAM = "@PROGRAM@"
_USER = "keystead-agent"
_DATA = "/var/lib/keystead-agent"
_PLIST = "/Library/LaunchDaemons/org.keystead.agent.plist"
_UNIT = "/etc/systemd/system/keystead-agent.service"
_RULES = {
    "/etc/polkit-1/rules.d/50-keystead-agent.rules": "polkit.rules",
    "/etc/udev/rules.d/71-keystead-agent.rules": "udev.rules",
}
_USERS = "/etc/sysusers.d/keystead-agent.conf"
_SERVICE = "KeysteadAgent"
_ACCOUNT = rf"NT SERVICE\{_SERVICE}"  # Windows makes it, for this service alone
_WINDOWS_DATA = r"C:\ProgramData\Keystead Agent"
_WITHIN_S = 60.0


class Write(NamedTuple):
    """A file that anybody may read."""

    path: str
    content: str


class Remove(NamedTuple):
    """A file, or a directory with all in it, that may be there."""

    path: str


class Run(NamedTuple):
    """A command. needed: whether its failure stops the rest."""

    command: Sequence[str]
    needed: bool = True


Step: TypeAlias = Write | Remove | Run


class InstallError(OSError):
    """A step failed. The message is for people."""


def plan_install(system: str, program: str) -> list[Step]:
    """Return what installs the agent. program: its command's path."""
    if system == "macos":
        return [
            Write(_PLIST, _unit("org.keystead.agent.plist").replace(_PROGRAM, escape(program))),
            Run(("launchctl", "bootout", "system/org.keystead.agent"), needed=False),
            Run(("launchctl", "bootstrap", "system", _PLIST)),
        ]
    if system == "windows":
        return [
            Run(
                (
                    *("sc.exe", "create", _SERVICE, "binPath=", f'"{program}" run --service'),
                    *("start=", "delayed-auto", "obj=", _ACCOUNT),
                    *("DisplayName=", "Keystead agent"),
                )
            ),
            Run(
                (
                    *("sc.exe", "failure", _SERVICE, "reset=", "86400"),
                    *("actions=", "restart/30000/restart/60000/restart/300000"),
                )
            ),
            # What is below ProgramData everybody may make and read, until it is said otherwise: who
            # made the directory before us would stay its owner, and open it again.
            Run(("cmd.exe", "/d", "/c", "mkdir", _WINDOWS_DATA), needed=False),
            Run(("icacls.exe", _WINDOWS_DATA, "/setowner", "*S-1-5-32-544", "/T", "/L")),
            Run(("icacls.exe", _WINDOWS_DATA, "/reset", "/T", "/L")),
            Run(
                (
                    *("icacls.exe", _WINDOWS_DATA, "/inheritance:r", "/grant:r"),
                    *("*S-1-5-18:(OI)(CI)F", "*S-1-5-32-544:(OI)(CI)F", f"{_ACCOUNT}:(OI)(CI)F"),
                )
            ),
            Run(("sc.exe", "start", _SERVICE)),
        ]
    return [
        Write(_USERS, _unit("sysusers.conf")),
        Run(("systemd-sysusers", "keystead-agent.conf")),
        Run(("install", "-d", "-m", "0700", "-o", _USER, "-g", _USER, _DATA)),
        # An agent that was enrolled before it was installed has files of root's.
        Run(("chown", "-R", f"{_USER}:{_USER}", _DATA)),
        *(Write(path, _unit(name)) for path, name in _RULES.items()),
        Write(_UNIT, _unit("keystead-agent.service").replace(_PROGRAM, _quoted(program))),
        Run(("udevadm", "control", "--reload"), needed=False),
        Run(("udevadm", "trigger", "--subsystem-match=hidraw"), needed=False),
        Run(("systemctl", "daemon-reload")),
        Run(("systemctl", "enable", "--now", "keystead-agent.service")),
    ]


def plan_uninstall(system: str, data: str, *, purge: bool) -> list[Step]:
    """Return what takes the agent away. purge: its enrolment and all it knows as well."""
    last: list[Step] = [Remove(data)] if purge else []
    if system == "macos":
        return [
            Run(("launchctl", "bootout", "system/org.keystead.agent"), needed=False),
            Remove(_PLIST),
            *last,
        ]
    if system == "windows":
        return [
            Run(("sc.exe", "stop", _SERVICE), needed=False),
            Run(("sc.exe", "delete", _SERVICE)),
            *last,
        ]
    return [
        Run(("systemctl", "disable", "--now", "keystead-agent.service"), needed=False),
        *map(Remove, (_UNIT, *_RULES, _USERS)),
        Run(("systemctl", "daemon-reload"), needed=False),
        Run(("udevadm", "control", "--reload"), needed=False),
        *last,
    ]


def install(root: Path | None) -> list[str]:
    """Install the agent at this system. InstallError, UntrustedProgramError."""
    program, system = _program(), this_host.system()
    if root is None and system != "windows":
        files = map(Path, (program, sys.executable, __file__))
        check_program(files, hidden=system == "linux")
    return list(_carry_out(plan_install(system, program), root))


def uninstall(root: Path | None, *, purge: bool) -> list[str]:
    """Take it away. InstallError."""
    data = str(this_host.data_directory())
    return list(_carry_out(plan_uninstall(this_host.system(), data, purge=purge), root))


def _carry_out(steps: Sequence[Step], root: Path | None) -> Iterator[str]:
    for step in steps:
        if isinstance(step, Run):
            if root is None:
                _run(step)
                yield f"ran {' '.join(step.command)}"
            continue
        path = _below(root, step.path)
        if isinstance(step, Write):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.content)
            path.chmod(0o644)
            yield f"wrote {path}"
        elif path.is_dir():
            shutil.rmtree(path)
            yield f"removed {path}"
        elif path.exists():
            path.unlink()
            yield f"removed {path}"


def _run(step: Run) -> None:
    program = shutil.which(step.command[0] if os.name != "nt" else _windows_own(step.command[0]))
    if program is None:
        problem = f"there is no {step.command[0]} on this machine"
    else:
        done = subprocess.run(  # noqa: S603 - planned above
            [program, *step.command[1:]],
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            check=False,
        )
        if done.returncode == 0:
            return
        problem = f"{' '.join(step.command)}: {(done.stderr or done.stdout).strip()}"
    if step.needed:
        raise InstallError(f"{problem}. Run this as an administrator.")


def _windows_own(program: str) -> str:
    """Return a program of the system's: one where somebody stands would be found before it."""
    windows = os.environ.get("SYSTEMROOT", r"C:\Windows")
    return rf"{windows}\System32\{program}"


def _below(root: Path | None, path: str) -> Path:
    if root is None:
        return Path(path)
    return root / PurePosixPath(path).relative_to("/")


def _program() -> str:
    """Return the command that is to be started: the one that was called, by its whole path."""
    called = shutil.which(sys.argv[0]) or shutil.which("keystead-agent") or sys.argv[0]
    return os.path.abspath(called)  # noqa: PTH100 - a link in an environment stays one


def _unit(name: str) -> str:
    return (resources.files("agent.units") / name).read_text()


def _quoted(program: str) -> str:
    # systemd takes % for its own, and splits at blanks.
    escaped = program.replace("%", "%%")
    return f'"{escaped}"' if " " in escaped else escaped
