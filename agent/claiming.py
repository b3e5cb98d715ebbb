"""`keystead-agent claim`: queues what this host's user says of who holds a key."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.attached import SeenKey
from agent.claim import ClaimError, checked_person, encode_claim
from agent.composing import identity_of
from agent.findings import Findings
from agent.identity import Identity
from agent.report import MAX_SERIAL
from agent.store import Store

_KEEP = timedelta(days=90)


def queue_claim(directory: Path, identity: Identity, serial: str, person: str, kind: str) -> str:
    """Store a claim, which the agent sends; return what to tell. ClaimError, StoreError.

    serial: the number on the key, "" = the only one that this host knows.
    """
    if not identity.policy.claims:
        raise ClaimError(
            "your organisation takes no claims from its hosts: tell your operator who holds which"
            " key"
        )
    person = checked_person(person)
    store = Store(directory)
    try:
        store.begin(identity.host)
        now = datetime.now(UTC).date()
        key = _key(serial, [known.key for known, _ in store.known(now - _KEEP, frozenset())])
        named = identity_of(key, identity.policy, identity.local_key)

        def make(number: int) -> tuple[str, bytes]:
            claim_id = secrets.token_hex(16)
            body = encode_claim(
                claim_id, identity.host, number, now, named, person=person, kind=kind
            )
            return claim_id, body

        new = store.put_claim(f"{key.name} {kind} {person}", make)
    finally:
        store.close()
    if not new:
        return "The same claim waits already; it leaves with the next report."
    return "The claim leaves with the next report, and waits there until an operator accepts it."


def _key(serial: str, known: Sequence[SeenKey]) -> SeenKey:
    if not serial:
        if len(known) != 1:
            numbers = ", ".join(str(one.findings.serial) for one in known if one.findings.serial)
            raise ClaimError(
                f"this host knows {len(known)} keys{numbers and f' ({numbers})'}: say which by its"
                " serial number"
            )
        return known[0]
    if not (serial.isascii() and serial.isdecimal()) or not 1 <= int(serial[:11]) <= MAX_SERIAL:
        raise ClaimError("a serial number is the number on the key, like 10000001")
    number = int(serial)
    found = (one for one in known if one.findings.serial == number)
    # A key that was never here may be claimed as well: a spare one in a drawer, a lost one.
    return next(found, SeenKey(f"serial:{number}", Findings(serial=number)))
