"""What `keystead-agent` does when a person asks. Each returns what is printed."""

import json
import random
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from agent import __version__, this_host
from agent.attached import SeenKey
from agent.composing import KnownKey, of_key, reports_of
from agent.enrolment import begin, enrol, read_token
from agent.http_client import Client
from agent.identity import Identity, load
from agent.policy import LOCAL, Policy
from agent.report import MAX_KEYS, Report, as_json
from agent.server_url import parse_server_url
from agent.store import FILE as STORE_FILE
from agent.store import Store
from agent.words import tell

NOBODY = "0" * 32
"""The host of a report that is of no enrolment."""

_KEEP = timedelta(days=90)


class CommandError(Exception):
    """A command cannot be carried out. The message is for people."""


class Said(NamedTuple):
    """What a command says. text: printed; problem: to the error output, "" = none."""

    text: str
    problem: str = ""


def once(*, as_data: bool) -> Said:
    """Read the keys that are attached now. Nothing of it leaves this machine."""
    keys, problem = _attached(NOBODY)
    (report, *more) = _compose(NOBODY, keys, LOCAL, secrets.token_bytes(32), 1)
    if more:
        problem = f"{problem} More than {MAX_KEYS} keys: the others are not shown.".strip()
    text = json.dumps(as_json(report), indent=2, sort_keys=True) if as_data else tell(report)
    return Said(text, problem)


def show(directory: Path, *, as_data: bool) -> Said:
    """Show what would be sent: what waits, and then the report that would be made now.

    From what the agent has read; on a host without an agent from what is attached now.
    """
    identity = load(directory)
    waiting: list[Any] = []
    if identity is None or not (directory / STORE_FILE).exists():
        host, policy, local = NOBODY, Policy(), secrets.token_bytes(32)
        if identity is not None:
            host, policy, local = identity.host, identity.policy, identity.local_key
        keys, problem = _attached(host)
        reports = _compose(host, keys, policy, local, 1)
    else:
        problem = ""
        store = Store(directory)
        try:
            if store.note("host") == identity.host:
                waiting = [json.loads(one.body) for one in store.waiting()]
            reports = _of_store(identity, store)
        finally:
            store.close()
    if as_data:
        found = {"waiting": waiting, "next": [as_json(one) for one in reports]}
        return Said(json.dumps(found, indent=2, sort_keys=True), problem)
    parts = [json.dumps(one, sort_keys=True) for one in waiting]
    parts += [json.dumps(as_json(one), indent=2, sort_keys=True) for one in reports]
    return Said("\n".join(parts), problem)


def send_once(directory: Path) -> Said:
    """Read the keys, store a report, and send all that waits: for hosts without a service."""
    from agent.service import courier_of  # noqa: PLC0415 - threads and signals, not needed else
    from agent.single import hold  # noqa: PLC0415

    identity = _enrolled(directory)
    with hold(directory):
        keys, problem = _attached(identity.host)
        today = datetime.now(UTC).date()
        store = Store(directory)
        try:
            store.begin(identity.host)
            store.remember(keys, today)
            known = [
                of_key(key, identity.policy, identity.local_key)
                for key, _said in store.known(today - _KEEP, frozenset(key.name for key in keys))
            ]
            host = this_host.describe(identity.host)
            store.put(
                lambda sequence, dropped: reports_of(
                    host,
                    known,
                    day=today,
                    next_sequence=sequence,
                    dropped=dropped,
                    new_id=lambda: secrets.token_hex(16),
                ),
                {},
            )
            courier = courier_of(identity, directory, random.SystemRandom())
            try:
                trip = courier.carry()
            finally:
                courier.close()
            left = store.count()
        finally:
            store.close()
    if left:
        raise CommandError(f"{left} reports wait: {trip.problem}")
    return Said(
        f"{trip.delivered} reports were sent", " ".join(filter(None, [problem, trip.problem]))
    )


def status(directory: Path, *, as_data: bool) -> Said:
    """Say how the agent is."""
    identity = load(directory)
    found: dict[str, Any] = {"enrolled": identity is not None, "agent": __version__}
    if identity is not None:
        found |= {"server": identity.server, "name": identity.name, "host": identity.host}
    if (directory / STORE_FILE).exists():
        store = Store(directory)
        try:
            found |= {
                "waiting": store.count(),
                "sequence": int(store.note("sequence", "0")),
                "dropped": int(store.note("dropped", "0")),
                "refused": int(store.note("refused", "0")),
                "delivered_at": store.note("delivered_at"),
                "problem": store.note("problem"),
                "proved": store.note("proved"),
                "proof_problem": store.note("proof_problem"),
            }
        finally:
            store.close()
    if as_data:
        return Said(json.dumps(found, indent=2, sort_keys=True))
    if identity is None:
        return Said(
            "This host is not enrolled: keystead-agent enroll --server URL --token-file FILE"
        )
    lines = [
        f"{name.replace('_', ' '):<14} {value}"
        for name, value in found.items()
        if value != "" and name != "enrolled"
    ]
    return Said("\n".join(lines))


def enroll(directory: Path, server: str, token_file: Path, name: str, ca_file: str) -> Said:
    """Enrol this host."""
    url = parse_server_url(server)
    token = read_token(token_file)
    if ca_file and not Path(ca_file).is_file():
        raise CommandError(f"there is no file {ca_file} with certificates to trust")
    ca_file = str(Path(ca_file).absolute()) if ca_file else ""
    identity = begin(directory, server, name or this_host.name(), ca_file)
    client = Client(url, ca_file, f"keystead-agent/{__version__}")
    try:
        agreed = enrol(
            directory,
            identity,
            client,
            token,
            system=this_host.system(),
            agent=__version__,
        )
    finally:
        client.close()
    return Said(
        f"{agreed.name} is enrolled at {agreed.server} as {agreed.host}. The token in"
        f" {token_file} is used up."
    )


def _enrolled(directory: Path) -> Identity:
    identity = load(directory)
    if identity is None:
        raise CommandError(
            "this host is not enrolled: keystead-agent enroll --server URL --token-file FILE"
        )
    return identity


def _attached(host: str) -> tuple[Sequence[SeenKey], str]:
    from agent.fido_hid import fido_devices  # noqa: PLC0415 - others do without these libraries
    from agent.inventory import take_inventory  # noqa: PLC0415
    from agent.pcsc import PcscCards, PcscReaders  # noqa: PLC0415

    found = take_inventory(PcscReaders, PcscCards(), fido_devices(), host)
    problem = found.problem and f"No PC/SC service could be asked: {found.problem}"
    return found.keys, problem


def _compose(
    host: str, keys: Sequence[SeenKey], policy: Policy, local_key: bytes, sequence: int
) -> list[Report]:
    today = datetime.now(UTC).date()
    known = [of_key(KnownKey(key, today, attached=True), policy, local_key) for key in keys]
    return reports_of(
        this_host.describe(host),
        known,
        day=today,
        next_sequence=sequence,
        dropped=0,
        new_id=lambda: secrets.token_hex(16),
    )


def _of_store(identity: Identity, store: Store) -> list[Report]:
    today = datetime.now(UTC).date()
    known = store.known(today - _KEEP, frozenset())
    return reports_of(
        this_host.describe(identity.host),
        [of_key(key, identity.policy, identity.local_key) for key, _said in known],
        day=today,
        next_sequence=int(store.note("sequence", "0")) + 1,
        dropped=int(store.note("dropped", "0")),
        new_id=lambda: secrets.token_hex(16),
    )
