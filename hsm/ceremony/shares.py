"""A secret in M-of-N shares (Shamir), which people write down, keep apart and type in again.

Any `threshold` of them give the secret; fewer say nothing about it, but for the set's id, 48 bits
of a hash that tell whether what was put together is what was split. The secret is in this
process' memory while it is split and while it is put together.
"""

import enum
import hashlib
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

from hsm.ceremony import gf256, share_text
from hsm.ceremony.reach import CeremonyError
from hsm.ceremony.share_text import MistypedError

SECRET_OCTETS = 32
MOST = 15
"""Shares of a set: an index has four bits, and 0 is the secret's own."""
_FEWEST = 2
_SET_OCTETS = 6
_VERSION = 1
_CHECK_BITS = 20
_CONTENT_OCTETS = 2 + _SET_OCTETS + SECRET_OCTETS
GROUPS = (_CONTENT_OCTETS * 8 + _CHECK_BITS) // 20
_MAGIC = "keystead-share-v1"


class Kind(enum.Enum):
    """What was split."""

    WRAP_KEY = 1
    CEREMONY_SECRET = 2

    def __str__(self) -> str:
        return {1: "the wrap key of a backup", 2: "the ceremony's secret"}[self.value]


class SharesError(CeremonyError):
    """These shares give no secret. The message says why and what to do."""


class Share(NamedTuple):
    """One share. set_id: of all that belong together; number: from 1; value: 32 octets."""

    kind: Kind
    set_id: bytes
    threshold: int
    number: int
    value: bytes

    def __repr__(self) -> str:
        """Show which share it is, not what it holds."""
        return f"Share({self.name}, <hidden>)"

    @property
    def name(self) -> str:
        """Name it, for those who keep it."""
        return f"share {self.number} of set {self.set_id.hex()}"

    def groups(self) -> list[str]:
        """Return it as a person copies it: 17 groups of five."""
        return share_text.groups_of(self._number(), GROUPS)

    @classmethod
    def parse(cls, typed: Sequence[str]) -> Self:
        """Read the groups of a share; MistypedError."""
        if len(typed) != GROUPS:
            raise MistypedError(len(typed), f"is the last one, and a share has {GROUPS}")
        number = share_text.number_of(typed)
        content = (number >> _CHECK_BITS).to_bytes(_CONTENT_OCTETS)
        kind, threshold, index = content[0] & 0xF, content[1] >> 4, content[1] & 0xF
        if content[0] >> 4 != _VERSION or kind not in {one.value for one in Kind}:
            raise MistypedError(1, "begins no share that is known here")
        share = cls(
            Kind(kind),
            content[2 : 2 + _SET_OCTETS],
            threshold,
            index,
            content[2 + _SET_OCTETS :],
        )
        if number != share._number() or threshold < _FEWEST or not index:
            raise MistypedError(GROUPS, "says that another group was mistyped: compare them all")
        return share

    def _number(self) -> int:
        """Return what the groups write: the content, and a check over all of it."""
        content = self._content()
        check = int.from_bytes(hashlib.sha256(_MAGIC.encode() + content).digest()[:3]) >> 4
        return int.from_bytes(content) << _CHECK_BITS | check

    def _content(self) -> bytes:
        head = bytes([_VERSION << 4 | self.kind.value, self.threshold << 4 | self.number])
        return head + self.set_id + self.value


def split(
    kind: Kind,
    secret: bytes,
    *,
    threshold: int,
    count: int,
    randomness: Callable[[int], bytes] = os.urandom,
) -> list[Share]:
    """Split a secret of 32 octets; any `threshold` of the `count` shares give it. ValueError."""
    if len(secret) != SECRET_OCTETS:
        raise ValueError(f"what is split has {SECRET_OCTETS} octets")
    if not _FEWEST <= threshold <= count <= MOST:
        raise ValueError(
            f"of {count} shares {threshold} shall be enough: there are {_FEWEST} to {MOST} shares,"
            f" and {_FEWEST} of them at least are needed"
        )
    terms = [secret, *(randomness(SECRET_OCTETS) for _ in range(threshold - 1))]
    set_id = _set_id(kind, [_at(terms, place) for place in range(threshold)])
    return [
        Share(kind, set_id, threshold, index, _at(terms, index)) for index in range(1, count + 1)
    ]


def combine(shares: Sequence[Share]) -> bytes:
    """Return the secret of enough shares of one set; SharesError. More than enough are compared."""
    first = shares[0] if shares else None
    if first is None:
        raise SharesError("no share was given")
    for share in shares:
        if (share.kind, share.set_id, share.threshold) != first[:3]:
            raise SharesError(
                f"{share.name} does not belong to {first.name}: shares of two sets give nothing."
                " Look at what is written on them"
            )
    known = {share.number: share.value for share in shares}
    if len(known) != len(set(shares)):
        raise SharesError("two shares of one number differ: one of them was copied wrongly")
    if len(known) < first.threshold:
        raise SharesError(
            f"{len(known)} shares of set {first.set_id.hex()} were given, and {first.threshold} are"
            " needed"
        )
    points = dict(list(known.items())[: first.threshold])
    values = [_through(points, place) for place in range(first.threshold)]
    consistent = all(_through(points, index) == value for index, value in known.items())
    if not consistent or _set_id(first.kind, values) != first.set_id:
        raise SharesError(
            "these shares together do not give what was split: one of them is not what was"
            " written down then. Try others"
        )
    return values[0]


def _at(terms: Sequence[bytes], place: int) -> bytes:
    """Return the polynomial's value; terms: those of 1, x, x^2 and so on."""
    value = bytes(SECRET_OCTETS)
    for term in reversed(terms):
        value = gf256.add(gf256.scale(place, value), term)
    return value


def _through(points: dict[int, bytes], place: int) -> bytes:
    """Return the value at a place of the polynomial through some points (Lagrange)."""
    value = bytes(SECRET_OCTETS)
    for index, known in points.items():
        weight = 1
        for other in points:
            if other != index:
                weight = gf256.multiply(weight, place ^ other)
                weight = gf256.multiply(weight, gf256.inverse(index ^ other))
        value = gf256.add(value, gf256.scale(weight, known))
    return value


def _set_id(kind: Kind, values: Sequence[bytes]) -> bytes:
    """Name a set by its polynomial's values from 0 on: whoever knows the secret can name it."""
    head = b"keystead share set v1\0" + bytes([kind.value, len(values)])
    return hashlib.sha256(head + b"".join(values)).digest()[:_SET_OCTETS]
