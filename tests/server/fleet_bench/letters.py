"""Signed reports as they go over the wire, made before anything is measured.

Of a hundred, 96 say what was said an hour ago, two say that something changed at the key, and two
bring a key that nobody saw before.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from agent.report import HOST_HEADER, REPORT_CONTEXT, SIGNATURE_HEADER, encode, signature_input
from server.web.fleet import REPORTS
from tests.server.fleet_bench.laptops import Laptop, facts_of

CHANGED, NEW = (17, 67), (31, 81)
_NEW_SERIALS = 3_000_000_000


def kind_of(number: int) -> str:
    """Return what the report with this number says."""
    place = number % 100
    return "changed" if place in CHANGED else "new" if place in NEW else "again"


def letter(laptop: Laptop, sequence: int, day: date, what: str) -> bytes:
    """Return one report as an HTTP request."""
    facts = facts_of(laptop.kind, day)
    key = laptop.key(facts, day)
    keys = [key]
    if what == "changed":
        # Another number each time: a laptop may have its turn more than once.
        keys = [laptop.key({**facts, "piv.pin.tries": 3 + sequence % 5}, day)]
    elif what == "new":
        fresh = hashlib.sha256(f"{laptop.number} {sequence}".encode()).digest()
        keys.append(laptop.key(facts, day, _NEW_SERIALS + int.from_bytes(fresh[:4], "big") // 4))
    body = encode(laptop.report(sequence, day, *keys))
    return request(laptop, body)


def request(laptop: Laptop, body: bytes) -> bytes:
    """Return a signed body as an HTTP request."""
    signature = laptop.signing_key.sign(signature_input(REPORT_CONTEXT, body))
    head = (
        f"POST {REPORTS} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"{HOST_HEADER}: {laptop.host_id}\r\n"
        f"{SIGNATURE_HEADER}: ed25519={_base64(signature)}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _base64(octets: bytes) -> str:
    import base64  # noqa: PLC0415 - one use

    return base64.b64encode(octets).decode()


def write(path: Path, letters: Iterator[bytes]) -> int:
    """Write letters into a file, one after the other; return how many."""
    count = 0
    with path.open("wb") as file:
        for one in letters:
            file.write(len(one).to_bytes(4, "big") + one)
            count += 1
    return count


def read(path: Path) -> Sequence[bytes]:
    """Read what `write` wrote."""
    octets, at, letters = path.read_bytes(), 0, []
    while at < len(octets):
        end = at + 4 + int.from_bytes(octets[at : at + 4], "big")
        letters.append(octets[at + 4 : end])
        at = end
    return letters


def describe(letters: int) -> str:
    """Return the mix in words."""
    kinds = [kind_of(number) for number in range(letters)]
    return json.dumps({kind: kinds.count(kind) for kind in ("again", "changed", "new")})
