"""The keys that are attached now, read at once: for a person or a program that asks."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from agent.attached import SeenKey, join, nameless
from agent.findings import Findings, Reason
from agent.ports import Cards, FidoDevices, PcscAwayError, Readers, ReaderState
from agent.prober import read_slot
from agent.probing import APPLICATIONS
from agent.slots import Slots


class Inventory(NamedTuple):
    """What was found. problem: why readers could not be asked, for people; "" = they could."""

    keys: Sequence[SeenKey]
    problem: str


def take_inventory(
    connect: Callable[[], Readers], cards: Cards, devices: FidoDevices, host: str
) -> Inventory:
    """Read every key. One that another program holds is not touched, and shown as such."""
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
            findings = read_slot(cards, devices, name)
        else:
            findings = Findings()
            for application in APPLICATIONS:
                findings.miss(application.group, Reason.IN_USE)
        readings.append(findings)
        if not findings.facts and name.startswith("reader "):
            held.append(nameless(name, findings, host))
    return Inventory([*join(readings, host), *held], problem)
