"""`make bench-agent`: what the agent costs, beside bare Python, at a real PC/SC daemon.

Prints memory, start, CPU for an insertion, CPU of idle minutes, and memory over many insertions,
each beside its budget; the exit code says whether all are kept. IDLE_MINUTES and INSERTIONS make
it longer: the budget speaks of 10 and 1,000.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.agent.agent_process import AgentProcess
from tests.agent.fleet_server import FleetServer
from tests.agent.pcsc_helpers import attached, until
from tests.certificates import Authority
from tests.pcsc_daemon import PcscDaemon
from tests.virtual_yubikey.identity import yubikey_5c_nfc
from tests.virtual_yubikey.yubikey import VirtualYubiKey

IDLE_MINUTES = float(os.environ.get("IDLE_MINUTES", "1"))
INSERTIONS = int(os.environ.get("INSERTIONS", "30"))
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_STARTS = 5


class Measured(NamedTuple):
    """One figure. budget: "" = it is there to compare."""

    what: str
    found: float
    unit: str
    budget: float | None


def memory_mib(pid: int) -> float:
    """Return a process's resident memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def cpu_s(pid: int) -> float:
    """Return the CPU that a process has used, to the nanosecond where Linux tells it."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except OSError:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * _TICK_S


def bare_python_mib() -> float:
    """Return what Python alone takes."""
    script = "import sys; sys.stdout.write('.'); sys.stdout.flush(); sys.stdin.read()"
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


def measure(directory: Path) -> list[Measured]:
    """Measure it."""
    agent = AgentProcess(directory)
    key = VirtualYubiKey(yubikey_5c_nfc(31234567))
    authority = Authority()
    files = authority.issue(directory / "tls")
    trusted = str(authority.write(directory / "ca.pem"))
    with PcscDaemon() as daemon, FleetServer(files.certificate, files.key) as server:
        server.tokens["a-token"] = "laptop"
        agent.enrol(server.url, "a-token", "--host-name", "laptop", "--ca-file", trusted)
        ready = _ready_s(agent)
        with attached(daemon, key):
            server.wait_for(lambda reports: any(one.keys for one in reports), 60)
        time.sleep(35)  # the first regular report, and all that comes once
        steady = memory_mib(agent.pid)
        began_cpu, began = cpu_s(agent.pid), time.monotonic()
        time.sleep(IDLE_MINUTES * 60)
        idle = (cpu_s(agent.pid) - began_cpu) / (time.monotonic() - began) * 100
        _insert(daemon, key)
        before = memory_mib(agent.pid)
        began_cpu = cpu_s(agent.pid)
        for _ in range(INSERTIONS):
            _insert(daemon, key)
        each = (cpu_s(agent.pid) - began_cpu) / INSERTIONS * 1000
        after = memory_mib(agent.pid)
        agent.stop()
    bare = start_s([sys.executable, "-c", "pass"])
    return [
        Measured("memory of bare Python", bare_python_mib(), "MiB", None),
        Measured("memory of the agent, steady", steady, "MiB", 40),
        Measured("start of bare Python", bare, "s", None),
        Measured("start of the agent", ready, "s", 0.5),
        Measured("CPU while idle", idle, "%", 0.05),
        Measured("CPU for an insertion", each, "ms", 50),
        Measured(f"growth over {INSERTIONS} insertions", after - before, "MiB", 1.0),
    ]


def _ready_s(agent: AgentProcess) -> float:
    """Return the time from a start to the moment from which keys are watched."""
    began = time.monotonic()
    agent.start()
    until(lambda: "reporting to" in agent.log)
    return time.monotonic() - began


def _insert(daemon: PcscDaemon, key: VirtualYubiKey) -> None:
    key.traffic.clear()
    with attached(daemon, key):
        until(lambda: any(one.sent[:2] == b"\x00\xca" for one in key.traffic))
        time.sleep(0.3)


def main() -> int:
    """Measure, print, judge."""
    with tempfile.TemporaryDirectory() as directory:
        figures = measure(Path(directory) / "agent")
    for one in figures:
        budget = "" if one.budget is None else f"  budget {one.budget:g}"
        kept = "" if one.budget is None or one.found <= one.budget else "  EXCEEDED"
        sys.stdout.write(f"{one.what:<36} {one.found:9.3f} {one.unit:<4}{budget}{kept}\n")
    return int(any(one.budget is not None and one.found > one.budget for one in figures))


if __name__ == "__main__":
    sys.exit(main())
