"""The keys that are attached now, read at once: for a person or a program that asks."""

import queue
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from agent.attached import SeenKey, join, nameless
from agent.findings import Findings, Reason
from agent.ports import Cards, FidoDevices, PcscAwayError, Readers, ReaderState
from agent.prober import Prober
from agent.probing import DEADLINE_S, nothing_but
from agent.slots import Slots

PATIENCE_S = DEADLINE_S + 3.0


class Inventory(NamedTuple):
    """What was found. problem: why readers could not be asked, for people; "" = they could."""

    keys: Sequence[SeenKey]
    problem: str


def take_inventory(
    connect: Callable[[], Readers],
    cards: Cards,
    devices: FidoDevices,
    host: str,
    *,
    patience_s: float = PATIENCE_S,
) -> Inventory:
    """Read every key. One that another program holds is not touched, and shown as such.

    patience_s: for each key; the thread of a reader that hangs is left behind.
    """
    states: Mapping[str, ReaderState] = {}
    problem = ""
    try:
        readers = connect()
        try:
            states = readers.look()
        finally:
            readers.close()
    except PcscAwayError as error:
        problem = str(error)
    held: list[SeenKey] = []
    readings: list[Findings] = []
    slots = Slots().seen(states, 0.0).devices(list(devices.paths()), 0.0)
    for name, slot in sorted(slots.slots.items(), reverse=True):
        if slot.free:
            findings = _read_in_time(cards, devices, name, patience_s)
        else:
            findings = nothing_but(Reason.IN_USE)
        readings.append(findings)
        if not findings.facts and name.startswith("reader "):
            held.append(nameless(name, findings, host))
    return Inventory([*join(readings, host), *held], problem)


def _read_in_time(cards: Cards, devices: FidoDevices, name: str, patience_s: float) -> Findings:
    found: queue.SimpleQueue[Findings] = queue.SimpleQueue()
    prober = Prober(cards, devices, lambda _name, _changes, findings: found.put(findings))
    prober.start()
    prober.read(name, 0)
    try:
        return found.get(timeout=patience_s)
    except queue.Empty:
        return nothing_but(Reason.DEADLINE)
    finally:
        prober.stop(0.1)
