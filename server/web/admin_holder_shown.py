"""Who holds a key, as the admin API shows it: beside the key, and in the registry."""

from typing import Literal

from server.fleet.holders import Holder, HolderClaim, HolderKind
from server.web.json_types import Shown


class HeldShown(Shown):
    """Who holds a key. trust: somebody says so; lost: the day it was called lost.

    handed_over: what hosts saw up to this day tells nothing of who has it.
    """

    person: str
    kind: HolderKind
    trust: Literal["reported"]
    handed_over: str | None
    lost: str | None


class HolderClaimShown(Shown):
    """What a host's user says of a key: it waits until an operator accepts it."""

    id: str
    key: str
    host: str
    day: str
    person: str
    kind: HolderKind
    trust: Literal["host-signed"]


def show_held(holder: Holder | None) -> HeldShown | None:
    """Return who holds a key, if anybody is known to."""
    if holder is None:
        return None
    return HeldShown(
        person=holder.person,
        kind=holder.kind,
        trust="reported",
        handed_over=holder.after or None,
        lost=holder.lost or None,
    )


def show_claim(claim: HolderClaim) -> HolderClaimShown:
    """Return a claim."""
    return HolderClaimShown(
        id=claim.claim_id,
        key=claim.key_id,
        host=claim.host_id,
        day=claim.day,
        person=claim.person,
        kind=claim.kind,
        trust="host-signed",
    )
