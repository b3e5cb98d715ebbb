"""`make bench-agent`: what the agent costs, beside bare Python, at a real PC/SC daemon.

Prints memory, start, CPU for an insertion, CPU of idle minutes, and memory over many insertions,
each beside its budget; the exit code says whether all are kept. IDLE_MINUTES and INSERTIONS make
it longer: the budget speaks of 10 and 1,000.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.agent.agent_process import AgentProcess
from tests.agent.bench_figures import Measured, exceeded, slope, told
from tests.agent.bench_process import bare_python, cpu_s, loaded_mib, memory_mib, start_s
from tests.agent.fleet_server import FleetServer
from tests.agent.pcsc_helpers import attached, until, until_free
from tests.agent.used_key import lived_in
from tests.certificates import Authority
from tests.pcsc_daemon import NFC_READER, USB_READER, PcscDaemon
from tests.virtual_yubikey.identity import yubikey_5c_nfc
from tests.virtual_yubikey.yubikey import VirtualYubiKey

IDLE_MINUTES = float(os.environ.get("IDLE_MINUTES", "1"))
INSERTIONS = int(os.environ.get("INSERTIONS", "30"))
_STARTS = 5
_ALONE = 10
"""Insertions of one key alone; the others are of four at a time, or they would take an hour."""

_SLOTS = (0, 1, 4, 5)
_NFC_SLOT = 2
_LEAST_FOR_A_SLOPE = 200
"""Insertions: with fewer a page more or less is all that a slope shows."""

_SETTLED_S = 35.0
"""The first regular report, and all that comes once."""


class Insertions(NamedTuple):
    """What many of them cost. memory: MiB after each."""

    cpu_alone_ms: float
    cpu_ms: float
    memory: list[float]


def measure(directory: Path) -> list[Measured]:
    """Measure it."""
    with _running(directory) as (daemon, server, agent):
        starts = _starts(agent)
        keys = [lived_in(yubikey_5c_nfc(31234567 + number)) for number in range(len(_SLOTS))]
        with attached(daemon, keys[0], _NFC_SLOT), attached(daemon, keys[1]):
            server.wait_for(lambda reports: sum(len(one.keys) for one in reports) > 1, 60)
        time.sleep(_SETTLED_S)
        began_cpu, began = cpu_s(agent.pid), time.monotonic()
        time.sleep(IDLE_MINUTES * 60)
        idle = (cpu_s(agent.pid) - began_cpu) / (time.monotonic() - began) * 100
        steady = memory_mib(agent.pid)
        sys.stderr.write(f"idle: {idle:.4f} %, {steady:.2f} MiB; insertions follow\n")
        found = _insertions(daemon, agent, keys)
        agent.stop()
    bare = bare_python()
    bare_start = start_s([sys.executable, "-c", "pass"])
    hid = loaded_mib("agent.fido_device") - loaded_mib()
    return [
        Measured("memory of bare Python", bare, "MiB"),
        Measured("memory of the agent, steady", steady, "MiB", 40),
        Measured("with what a FIDO device loads", steady + hid, "MiB", 40),
        Measured("start of bare Python", bare_start, "s"),
        Measured("start of the agent", starts.wall_s, "s", 0.5),
        Measured("that many times bare Python's", starts.wall_s / bare_start, ""),
        Measured("CPU for a start", starts.cpu_s, "s"),
        Measured(f"CPU over {IDLE_MINUTES:g} idle minutes", idle, "%", 0.05),
        Measured("CPU for an insertion, alone", found.cpu_alone_ms, "ms", 50),
        Measured("CPU for an insertion, of many", found.cpu_ms, "ms", 50),
        *_growth(found.memory),
    ]


def _growth(memory: list[float]) -> list[Measured]:
    """Return how memory grew, without the first tenth: pools of all kinds are filled there."""
    settled = memory[len(memory) // 10 :]
    grown = settled[-1] - settled[0]
    enough = len(memory) >= _LEAST_FOR_A_SLOPE
    return [
        Measured(f"growth over {len(memory)} insertions", grown, "MiB", 1.0),
        Measured(
            "slope for 1,000 insertions", 1000 * slope(settled), "MiB", 1.0 if enough else None
        ),
    ]


class _Start(NamedTuple):
    wall_s: float
    cpu_s: float


def _starts(agent: AgentProcess) -> _Start:
    """Return the shortest time from a start to the moment from which keys are watched, and its CPU.

    The first one is not counted: it compiles. The last of these agents goes on.
    """
    found: list[_Start] = []
    for number in range(_STARTS + 1):
        began = time.monotonic()
        agent.start()
        until(lambda number=number: agent.log.count("reporting to") > number)  # type: ignore[misc] # its own number
        found.append(_Start(time.monotonic() - began, cpu_s(agent.pid)))
        if number < _STARTS:
            agent.stop()
    return min(found[1:])


def _insertions(daemon: PcscDaemon, agent: AgentProcess, keys: list[VirtualYubiKey]) -> Insertions:
    _insert(daemon, keys[0], _SLOTS[0])
    memory: list[float] = []

    def cost(do: Callable[[], None]) -> float:
        began, before = cpu_s(agent.pid), len(memory)
        do()
        return (cpu_s(agent.pid) - began) / (len(memory) - before) * 1000

    def once(key: VirtualYubiKey, slot: int) -> None:
        _insert(daemon, key, slot)
        memory.append(memory_mib(agent.pid))

    def alone() -> None:
        for _ in range(_ALONE):
            once(keys[0], _SLOTS[0])

    rounds = max(1, (INSERTIONS - _ALONE) // len(_SLOTS))

    def often(place: int) -> None:
        # The virtual reader's driver may lose a slot on a busy machine: the others go on.
        with suppress(AssertionError):
            for _ in range(rounds):
                once(keys[place], _SLOTS[place])

    def many() -> None:
        with ThreadPoolExecutor(len(_SLOTS)) as hands:
            list(hands.map(often, range(len(_SLOTS))))

    return Insertions(cost(alone), cost(many), memory)


def _insert(daemon: PcscDaemon, key: VirtualYubiKey, slot: int) -> None:
    key.traffic.clear()
    with attached(daemon, key, slot) as reader:
        # The last application that is asked.
        until(lambda: any(one.sent[5:11] == b"\xa0\x00\x00\x06\x47\x2f" for one in key.traffic))
        # The driver does not get over a key that is pulled while it is spoken to.
        until_free(reader)


@contextmanager
def _running(directory: Path) -> Iterator[tuple[PcscDaemon, FleetServer, AgentProcess]]:
    """Have a daemon with readers, a server, and a host that is enrolled there over HTTPS."""
    agent = AgentProcess(directory)
    authority = Authority()
    files = authority.issue(directory / "tls")
    trusted = str(authority.write(directory / "ca.pem"))
    readers = [USB_READER, NFC_READER, f"{USB_READER} second"]
    with PcscDaemon(readers) as daemon, FleetServer(files.certificate, files.key) as server:
        server.tokens["a-token"] = "laptop"
        agent.enrol(server.url, "a-token", "--host-name", "laptop", "--ca-file", trusted)
        yield daemon, server, agent


def main() -> int:
    """Measure, print, judge."""
    with tempfile.TemporaryDirectory() as directory:
        figures = measure(Path(directory) / "agent")
    sys.stdout.write("".join(told(one) for one in figures))
    return int(any(map(exceeded, figures)))


if __name__ == "__main__":
    sys.exit(main())
