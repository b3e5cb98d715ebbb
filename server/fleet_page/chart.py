"""Bars beside their numbers: a chart that is a table, for eyes and for readers of screens. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from server.fleet_page.said import number

WIDTH = 200
"""Units of a whole bar; it is stretched to the room that there is."""

_THOUSAND = 1000


class Amount(NamedTuple):
    """What a bar is to show. keys: how many; href: where they are listed; tone: a class."""

    label: str
    keys: int
    href: str = ""
    tone: str = ""


class Bar(NamedTuple):
    """A bar. keys: how many, with separators; share: of all, in words; width: of WIDTH."""

    label: str
    keys: str
    share: str
    width: int
    href: str
    tone: str


def bars(amounts: Iterable[Amount], total: int) -> Sequence[Bar]:
    """Return bars to scale, the largest over the whole width; what there is can be seen."""
    listed = list(amounts)
    largest = max((one.keys for one in listed), default=0)
    return [
        Bar(
            one.label,
            number(one.keys),
            share(one.keys, total),
            max(1, one.keys * WIDTH // largest) if one.keys else 0,
            one.href,
            one.tone,
        )
        for one in listed
    ]


def share(count: int, total: int) -> str:
    """Return `12.3 %`, cut off; what is less than a thousandth, but there, is told so."""
    if not total:
        return ""
    units = count * _THOUSAND // total
    return "< 0.1 %" if count and not units else f"{units // 10}.{units % 10} %"
