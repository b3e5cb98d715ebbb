"""Who holds which key: what the registry says, and what users of hosts claim beside it. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from server.fleet.holder_ports import HeldKey
from server.fleet.holders import HolderClaim, HolderKind
from server.fleet.paging import Page, Place
from server.fleet.trust import Trust
from server.fleet_page import places
from server.fleet_page.keys import Turning
from server.fleet_page.places import HolderFilter
from server.fleet_page.said import Named, day, host_name, named, plain

KINDS: Mapping[HolderKind, str] = {
    HolderKind.PRIMARY: "Primary key",
    HolderKind.SPARE: "Spare key",
    HolderKind.LOST: "Lost",
}
_TONES: Mapping[HolderKind, str] = {HolderKind.LOST: "danger"}


class ClaimRow(NamedTuple):
    """What a host's user says. trust: how far it can be believed."""

    person: str
    kind: str
    day: str
    host: str
    trust: str = Trust.HOST_SIGNED.word


class HeldRow(NamedTuple):
    """A key with who holds it. seen: when a host saw it last; claims: what users say beside it."""

    name: Named
    href: str
    person: str
    kind: str
    tone: str
    seen: str
    claims: Sequence[ClaimRow]
    trust: str = Trust.REPORTED.word


class HolderList(NamedTuple):
    """A page of holders."""

    rows: Sequence[HeldRow]
    turning: Turning


def lay_out(page: Page[HeldKey], filters: HolderFilter, place: Place) -> HolderList:
    """Return a page of holders. place: where it lies in the list."""
    here = places.address(places.HOLDERS, filters, place)
    rows = [_row(held, here) for held in page.entries]
    later = ""
    if page.later:
        beyond = Place(page.entries[-1].holder.key_id)
        later = places.address(places.HOLDERS, filters, beyond)
    first = places.address(places.HOLDERS, filters) if page.earlier else ""
    return HolderList(rows, Turning(first=first, later=later))


def _row(held: HeldKey, back: str) -> HeldRow:
    holder = held.holder
    return HeldRow(
        name=named(holder.key_id),
        # A key that no host saw yet has no page.
        href=places.key_address(holder.key_id, back) if held.last_seen else "",
        person=plain(holder.person),
        kind=KINDS[holder.kind],
        tone=_TONES.get(holder.kind, ""),
        seen=day(held.last_seen) if held.last_seen else "never",
        claims=[claim_row(claim, {}) for claim in held.claims],
    )


def claim_row(claim: HolderClaim, hosts: Mapping[str, str]) -> ClaimRow:
    """Return a claim. hosts: names by id."""
    return ClaimRow(
        plain(claim.person),
        KINDS[claim.kind],
        day(claim.day),
        host_name(hosts.get(claim.host_id, ""), claim.host_id),
    )
