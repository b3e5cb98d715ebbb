"""What is counted, and which cell of a tally counts it: the one table behind the file format.

A tally is an array of unsigned 64-bit cells. `FINGERPRINT` is derived from this table, so that
a file written by a version with another table is recognised and started anew instead of being
misread. Labels are closed lists: no label ever carries what a request said (an OTP, a client,
an address), so neither the file nor `/metrics` can leak it or grow with it.
"""

import enum
import hashlib
from typing import NamedTuple

from hsm.audit.finding import NOTICES, Kind
from server.maintenance.counting import Phase
from server.usage.kinds import Outcome
from validation.status import Status


class Rejected(enum.StrEnum):
    """Why a connection or request was turned away before any room of the service saw it."""

    SLOW_HANDSHAKE = "slow_handshake"  # no TLS within the deadline
    HANDSHAKE = "handshake"  # not TLS, an old TLS, or not the client certificate that is required
    SLOW_HEAD = "slow_head"  # no complete request head within the deadline
    SLOW_BODY = "slow_body"  # no complete body within the deadline
    SLOW_READER = "slow_reader"  # the answer could not be delivered within the deadline
    TOO_LARGE = "too_large"  # request line, headers or body beyond their caps
    TOO_MANY_CONNECTIONS = "too_many_connections"
    MALFORMED = "malformed"  # not HTTP


class Bucket(enum.StrEnum):
    """Whose budget was spent when a request was answered 429."""

    CLIENT = "client"
    SOURCE = "source"


class StoreFailure(enum.StrEnum):
    """How a batch failed."""

    UNAVAILABLE = "unavailable"
    UNKNOWN_OUTCOME = "unknown_outcome"


class Family(NamedTuple):
    """One metric of a tally: `start` is its first cell; one cell for each of `values`.

    labels: their names, none for a metric without; values: each of all labels, in their order.
    """

    name: str
    text: str
    labels: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    start: int

    @property
    def cells(self) -> int:
        """Return how many cells the family takes (one when it has no labels)."""
        return len(self.values) or 1


MAGIC = int.from_bytes(b"keystead", "big")
HEADER_CELLS = 2
"""Cell 0 holds MAGIC, cell 1 FINGERPRINT; the counts follow."""

DURATION_BOUNDS_S = (
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
)
"""Upper bounds of the latency histogram, in seconds; one more cell counts what is slower."""

# Labels, and the values of one cell, are separated by blanks.
_TABLE: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    (
        "keystead_verify_responses",
        "Answers of the verification door, by protocol status.",
        "status",
        tuple(status.value for status in Status),
    ),
    (
        "keystead_rate_limited",
        "Answers 429, by whose budget was spent.",
        "bucket",
        tuple(bucket.value for bucket in Bucket),
    ),
    (
        "keystead_shadow_limited",
        "Answers let through over the limit because the client is in shadow mode.",
        "",
        (),
    ),
    (
        "keystead_http_rejected",
        "Connections and requests turned away by the HTTP guard, by reason.",
        "reason",
        tuple(reason.value for reason in Rejected),
    ),
    (
        "keystead_verify",
        "Requests for a verification, by what they say about the service, and its phase.",
        "outcome phase",
        tuple(f"{outcome} {phase}" for phase in Phase for outcome in Outcome),
    ),
    ("keystead_http_connections", "Connections accepted.", "", ()),
    (
        "keystead_unexpected_errors",
        "Requests answered BACKEND_ERROR or 500 because of a fault nobody foresaw.",
        "",
        (),
    ),
    ("keystead_store_batches", "Batches the store decided.", "", ()),
    ("keystead_store_entries", "Entries of the batches the store decided.", "", ()),
    (
        "keystead_store_errors",
        "Batches the store could not decide, by kind.",
        "kind",
        tuple(failure.value for failure in StoreFailure),
    ),
    (
        "keystead_hsm_alarms",
        "Alarms from the logs of the HSMs, by kind.",
        "kind",
        tuple(kind.value for kind in Kind if kind not in NOTICES),
    ),
)


def _place() -> tuple[tuple[Family, ...], int]:
    """Give each family its cells, in the order of the table; return them and the next cell."""
    families: list[Family] = []
    start = HEADER_CELLS
    for name, text, labels, values in _TABLE:
        cells = tuple(tuple(value.split()) for value in values)
        family = Family(name, text, tuple(labels.split()), cells, start)
        families.append(family)
        start += family.cells
    return tuple(families), start


COUNTERS, DURATION_START = _place()
BY_NAME = {family.name: family for family in COUNTERS}

DURATION_SUM_AT = DURATION_START + len(DURATION_BOUNDS_S) + 1
"""Total of all durations, in microseconds."""

OPEN_CONNECTIONS_AT = DURATION_SUM_AT + 1
"""A gauge: connections this process holds now."""

LOOP_LAG_AT = OPEN_CONNECTIONS_AT + 1
"""A gauge: longest time the event loop was late, in microseconds, since it was last read."""

CERTIFICATE_EXPIRES_AT = LOOP_LAG_AT + 1
"""A gauge: when the TLS certificate in service expires, in Unix seconds; 0 without TLS."""

CERTIFICATE_REFUSED_AT = CERTIFICATE_EXPIRES_AT + 1
"""A gauge: 1 while the TLS files that lie there were refused, and older ones serve."""

CELLS = CERTIFICATE_REFUSED_AT + 1
SIZE = CELLS * 8
"""Octets of a tally's file."""

FINGERPRINT = int.from_bytes(
    hashlib.blake2b(repr((2, _TABLE, DURATION_BOUNDS_S)).encode(), digest_size=8).digest(), "big"
)
"""Version of the layout: changes with the table. The leading 2 is for changes beside it."""
