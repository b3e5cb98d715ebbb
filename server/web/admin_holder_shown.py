"""Who holds a key, as the admin API shows it: beside the key, and in the registry."""

from typing import Annotated

from pydantic import Field

from server.fleet.holders import Holder, HolderClaim, HolderKind
from server.fleet.trust import WORDS, Trust
from server.web.json_types import Shown

TrustWord = Annotated[str, Field(json_schema_extra={"enum": list(WORDS)})]


class HeldShown(Shown):
    """Who holds a key. trust: somebody says so; lost: the day it was called lost.

    handed_over: what hosts saw up to this day tells nothing of who has it.
    """

    person: str
    kind: HolderKind
    trust: TrustWord
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
    trust: TrustWord


def show_held(holder: Holder | None) -> HeldShown | None:
    """Return who holds a key, if anybody is known to."""
    if holder is None:
        return None
    return HeldShown(
        person=holder.person,
        kind=holder.kind,
        trust=Trust.REPORTED.word,
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
        trust=Trust.HOST_SIGNED.word,
    )
