"""Whether an advisory hits a key: clear, affected, exposed, or unknown, and why.

*Affected* is a matter of line and version; *exposed* also of how the key is used. What is not known
is said to be unknown: nothing here ever guesses that a key is clear.
"""

import enum
from collections.abc import Iterable
from typing import NamedTuple

from server.fleet.advisory import Advisory, Product, Versioned
from server.fleet.conditions import CONDITIONS
from server.fleet.key_facts import KeyFacts
from server.fleet.product_lines import ProductLine, lines_of


class Affected(enum.StrEnum):
    """Whether an advisory is about a key."""

    YES = "affected"
    NO = "clear"
    UNKNOWN = "unknown"


class Exposed(enum.StrEnum):
    """Whether a key that is, or may be, affected is used in the way that is dangerous."""

    YES = "exposed"
    NO = "not-exposed"
    UNKNOWN = "unknown"


class Exposure(NamedTuple):
    """The verdict on one key. lines: what the key can be; exposed: NO for a clear one."""

    advisory_id: str
    lines: frozenset[ProductLine]
    affected: Affected
    exposed: Exposed


def judge(advisory: Advisory, key: KeyFacts) -> Exposure:
    """Return what an advisory means for a key."""
    lines = lines_of(key)
    affected = _agreed(_on_line(advisory, line, key) for line in lines)
    return Exposure(advisory.advisory_id, lines, affected, _exposed(advisory, affected, key))


def _exposed(advisory: Advisory, affected: Affected, key: KeyFacts) -> Exposed:
    if affected is Affected.NO:
        return Exposed.NO
    holds = CONDITIONS[advisory.condition](key)
    if holds is False:
        return Exposed.NO
    return Exposed.YES if holds and affected is Affected.YES else Exposed.UNKNOWN


def _on_line(advisory: Advisory, line: ProductLine, key: KeyFacts) -> Affected:
    """Return whether the advisory is about this key, if it is of that line."""
    products = (*advisory.affects, *advisory.unclear)
    if line is ProductLine.CSPN_5 and all(product.line is not line for product in products):
        line = ProductLine.YUBIKEY_5  # its sister, with the same firmware
    named = [_within(product, key) for product in advisory.affects if product.line is line]
    if True in named:
        return Affected.YES
    named += [_within(product, key) for product in advisory.unclear if product.line is line]
    return Affected.NO if all(one is False for one in named) else Affected.UNKNOWN


def _within(product: Product, key: KeyFacts) -> bool | None:
    """Tell whether a key of that line is within; None: what is known does not say."""
    if product.nfc and key.nfc is False:
        return False
    applet = product.of is Versioned.OPENPGP_APPLET
    version = key.openpgp_applet if applet else key.firmware
    if version is None:
        # Whatever the version is, it lies within a range without ends.
        without_ends = product.versions.start is None and product.versions.end is None
        inside = True if without_ends else None
    else:
        inside = product.versions.includes(version)
    if inside and product.nfc and key.nfc is None:
        return None
    return inside


def _agreed(verdicts: Iterable[Affected]) -> Affected:
    """Return what all lines say alike."""
    said = set(verdicts)
    return said.pop() if len(said) == 1 else Affected.UNKNOWN
