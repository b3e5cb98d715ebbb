"""What this host is: its system, its name, where the agent's files are."""

import os
import socket
import sys
from pathlib import Path

from agent import __version__
from agent.composing import Host
from agent.software import installed

_SYSTEMS = {"darwin": "macos", "win32": "windows"}
_OS_RELEASE = Path("/etc/os-release")
_DATA = "KEYSTEAD_AGENT_DATA"


def system() -> str:
    """Return "linux", "macos" or "windows"."""
    return _SYSTEMS.get(sys.platform, "linux")


def release() -> str:
    """Return the system's name and version, for people."""
    if sys.platform == "darwin":
        import platform  # noqa: PLC0415 - costs more than it tells elsewhere

        return f"macOS {platform.mac_ver()[0]}"
    if sys.platform == "win32":
        import platform  # noqa: PLC0415

        return f"Windows {platform.version()}"
    try:
        lines = _OS_RELEASE.read_text(errors="replace").splitlines()
    except OSError:
        return "Linux"
    found = (line[12:].strip().strip('"') for line in lines if line.startswith("PRETTY_NAME="))
    return "".join(one for one in next(found, "Linux") if one.isprintable())[:100]


def name() -> str:
    """Return what the host calls itself."""
    return socket.gethostname()


def data_directory() -> Path:
    """Return where the agent's files are, unless told otherwise."""
    told = os.environ.get(_DATA)
    if told:
        return Path(told)
    if sys.platform == "darwin":
        return Path("/Library/Application Support/Keystead Agent")
    if sys.platform == "win32":
        return Path(os.environ.get("PROGRAMDATA", r"C:\ProgramData")) / "Keystead Agent"
    return Path("/var/lib/keystead-agent")


def describe(host: str) -> Host:
    """Return what every report begins with. host: its random id."""
    return Host(host, __version__, system(), release(), installed())
