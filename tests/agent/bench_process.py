"""What processes take of a Linux machine: memory, processor, time to start."""

import os
import subprocess
import sys
import time
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_STARTS = 5
_WAITS = "import sys; sys.stdout.write('.'); sys.stdout.flush(); sys.stdin.read()"
_USED = ("agent.service", "agent.applications.certificate", "fido2.cbor", "http.client", "ssl")
"""What every agent has loaded that has read keys and reported them."""


def memory_mib(pid: int) -> float:
    """Return a process's resident memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def cpu_s(pid: int) -> float:
    """Return the CPU that a process has used, to the nanosecond where Linux tells it.

    Of threads that have ended, too: the process's own figure is not below its threads'.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    whole = (int(fields[11]) + int(fields[12])) * _TICK_S
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return max(
            whole, sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
        )
    except OSError:
        return whole


def bare_python() -> float:
    """Return the memory that Python alone takes, in MiB."""
    return _waiting_mib(_WAITS)


def loaded_mib(*more: str) -> float:
    """Return the memory of a process with all that agents load, and more."""
    return _waiting_mib(f"import {', '.join((*_USED, *more))}; {_WAITS}")


def _waiting_mib(script: str) -> float:
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        return memory_mib(process.pid)


def start_s(command: list[str]) -> float:
    """Return the shortest of some runs to the end."""
    found = []
    for _ in range(_STARTS):
        began = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        found.append(time.monotonic() - began)
    return min(found)
