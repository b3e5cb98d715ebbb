"""The keys that are attached: what several ways to the same key told, joined. Pure."""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from agent.findings import Findings, Reason


class SeenKey(NamedTuple):
    """A key and what is known of it. name: "serial:..." or "kind:...", its own at this host."""

    name: str
    findings: Findings


def join(readings: Iterable[Findings], host: str) -> list[SeenKey]:
    """Return the keys behind readings of cards and FIDO devices; cards come first.

    host: the host's random id, so that keys without a serial have other names at other hosts.
    A reading that tells no serial and no fact is of no key that could be named.
    """
    by_serial: dict[int, Findings] = {}
    others: list[Findings] = []
    for reading in readings:
        if reading.serial is None:
            others.append(reading)
        elif reading.serial in by_serial:
            by_serial[reading.serial].take(reading)
        else:
            known = by_serial[reading.serial] = Findings()
            known.take(reading)
    # A device that may not be opened says whose it is to nobody: why they lack FIDO facts.
    if any(one.unreadable.get("fido") == Reason.NOT_PERMITTED for one in others):
        for known in by_serial.values():
            if known.unreadable.get("fido") == Reason.NOT_HERE:
                known.unreadable["fido"] = Reason.NOT_PERMITTED.value
    named = [SeenKey(f"serial:{serial}", known) for serial, known in by_serial.items()]
    return named + [SeenKey(_kind(one, host), one) for one in others if one.facts]


def nameless(reader: str, reading: Findings, host: str) -> SeenKey:
    """Return a key that could not be read at all, for people who look at a reader now."""
    return SeenKey(f"kind:{_digest(host, 'reader', reader)}", reading)


def _kind(findings: Findings, host: str) -> str:
    told = (str(findings.facts.get(name, "")) for name in ("fido.aaguid", "device.firmware"))
    return f"kind:{_digest(host, *told)}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x00".join(("keystead-kind-v1", *parts)).encode()).hexdigest()
