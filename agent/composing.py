"""Reports of what is known, with what the organisation asked for and nothing else. Pure."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from agent.attached import SeenKey
from agent.findings import Reason
from agent.policy import Policy, Serials
from agent.report import (
    MAX_FACTS,
    MAX_KEYS,
    MAX_REPORT_OCTETS,
    MAX_SEQUENCE,
    Identity,
    KeyReport,
    Report,
    encode,
    key_octets,
    serial_hash,
)

_NAMES = (".subject", ".issuer", ".serial")
_FINGERPRINT = ".fingerprint"


class KnownKey(NamedTuple):
    """A key that this host has seen. last_seen: day, UTC; attached: whether it is now."""

    key: SeenKey
    last_seen: date
    attached: bool


class Host(NamedTuple):
    """What every report of a host begins with."""

    host: str
    agent: str
    system: str
    release: str
    software: Mapping[str, str]


def of_key(known: KnownKey, policy: Policy, local_key: bytes) -> KeyReport:
    """Return what is reported of a key. local_key: of this host, for a serial that stays here."""
    facts = dict(sorted(known.key.findings.facts.items())[:MAX_FACTS])
    unreadable = dict(sorted(known.key.findings.unreadable.items())[:MAX_FACTS])
    return KeyReport(
        identity_of(known.key, policy, local_key),
        known.last_seen,
        known.attached if policy.attached else None,
        {name: value for name, value in facts.items() if _is_wanted(name, policy)},
        unreadable,
    )


def digest_of(key: KeyReport) -> str:
    """Return what a key's report is known by again: all but the day, which changes daily."""
    told = [
        list(key.identity),
        key.attached,
        sorted(key.facts.items()),
        sorted(key.unreadable.items()),
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def reports_of(
    host: Host,
    keys: Sequence[KeyReport],
    *,
    day: date,
    next_sequence: int,
    dropped: int,
    new_id: Callable[[], str],
) -> list[Report]:
    """Return one report, or several when there are many keys: at least one, of none.

    None is longer than a server takes: what one key says cannot keep the others from being told.
    """

    def report(report_id: str, sequence: int, part: Sequence[KeyReport]) -> Report:
        return Report(
            report_id,
            host.host,
            sequence,
            day,
            host.agent,
            host.system,
            host.release,
            host.software,
            dropped,
            tuple(part),
        )

    room = MAX_REPORT_OCTETS - len(encode(report("0" * 32, MAX_SEQUENCE, ())))
    parts = list(_parts(keys, room)) or [[]]
    return [report(new_id(), next_sequence + place, part) for place, part in enumerate(parts)]


def _parts(keys: Sequence[KeyReport], room: int) -> Iterator[list[KeyReport]]:
    """Yield the keys of each report. room: octets for keys and the commas between them."""
    part: list[KeyReport] = []
    left = room
    for key in keys:
        fitting = _cut(key, room)
        octets = key_octets(fitting) + 1
        if part and (len(part) == MAX_KEYS or octets > left):
            yield part
            part, left = [], room
        part.append(fitting)
        left -= octets
    if part:
        yield part


def _cut(key: KeyReport, room: int) -> KeyReport:
    """Return a key without its longest facts, where it needs more room than there is."""
    surplus = key_octets(key) + 1 - room
    facts, unreadable = dict(key.facts), dict(key.unreadable)
    for name in sorted(facts, key=lambda name: len(json.dumps(facts[name])), reverse=True):
        if surplus <= 0:
            break
        # Quotation marks, a colon, a comma; likewise for the reason that takes the fact's place.
        surplus -= len(json.dumps(facts.pop(name))) + len(name) + 4
        if len(unreadable) < MAX_FACTS:
            unreadable[name] = Reason.TOO_LONG.value
            surplus += len(name) + len(Reason.TOO_LONG.value) + 6
    return key._replace(facts=facts, unreadable=unreadable)


def identity_of(key: SeenKey, policy: Policy, local_key: bytes) -> Identity:
    """Return how a key is named to the server. local_key: as in `of_key`."""
    serial = key.findings.serial
    if serial is None:
        return Identity(kind=key.name.removeprefix("kind:"))
    if policy.serial is Serials.PLAIN:
        return Identity(serial=serial)
    if policy.serial_key is not None:
        return Identity(serial_hash=serial_hash(policy.serial_key, serial))
    # A serial that may not leave: a name that only this host could make again. A plain hash of
    # eight digits would be the serial itself to whoever tries them all.
    return Identity(kind=serial_hash(local_key, serial))


def _is_wanted(name: str, policy: Policy) -> bool:
    if name.startswith("piv.certificate.") and name.endswith(_NAMES):
        return policy.certificate_names
    return policy.openpgp_fingerprints or not name.endswith(_FINGERPRINT)
