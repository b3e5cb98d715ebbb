"""Reports of what is known, with what the organisation asked for and nothing else. Pure."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from agent.attached import SeenKey
from agent.policy import Policy, Serials
from agent.report import MAX_FACTS, MAX_KEYS, Identity, KeyReport, Report, serial_hash

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
    """Return one report, or several when there are many keys: at least one, of none."""
    parts = [keys[at : at + MAX_KEYS] for at in range(0, len(keys), MAX_KEYS)] or [()]
    return [
        Report(
            new_id(),
            host.host,
            next_sequence + place,
            day,
            host.agent,
            host.system,
            host.release,
            host.software,
            dropped,
            tuple(part),
        )
        for place, part in enumerate(parts)
    ]


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
