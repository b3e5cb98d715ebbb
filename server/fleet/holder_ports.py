"""What the registry of holders needs of a store."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from server.fleet.claiming import AskedClaim
from server.fleet.holders import Holder, HolderClaim, HolderKind, KeyName
from server.fleet.hosts import Host
from server.fleet.receipt import Receipt
from server.journal.acts import Act


class UnknownHolderError(LookupError):
    """Nobody is registered for the key."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"nobody is registered for the key {key_id}; list the holders")


class UnknownClaimError(LookupError):
    """The host claims nothing of the key, or not any more."""

    def __init__(self, key_id: str, host_id: str) -> None:
        super().__init__(
            f"no claim of host {host_id} about the key {key_id} waits; list the claims"
        )


class HolderSearch(NamedTuple):
    """Which holders are wanted; None: whichever. ids: all that the key may be called."""

    person: str | None = None
    kind: HolderKind | None = None
    ids: tuple[str, ...] | None = None


class HeldKey(NamedTuple):
    """A key with its holder. last_seen: by any host, an ISO date, "" = never seen."""

    holder: Holder
    last_seen: str
    claims: tuple[HolderClaim, ...]


class Entrusting(NamedTuple):
    """That a person holds a key from now on."""

    key: KeyName
    person: str
    kind: HolderKind
    handed_over: bool = False


class Imported(NamedTuple):
    """What an import did, or would do, in keys."""

    new: int
    changed: int
    unchanged: int


class Forgotten(NamedTuple):
    """What was known of a person, and is not any more: how many of each."""

    holders: int
    hosts: int
    claims: int


class HolderBook(Protocol):
    """Keeps who holds which key, and whose a host is. Raises the store's errors.

    A change is durable when the call returns, and is in the journal, without a person's name.
    Alarms that begin with it are told as facts; those whose reason ends are over.
    """

    async def settle_meta(self, name: str, proposed: str) -> str:
        """Return a named value of the installation; it becomes `proposed` if there is none."""
        ...

    async def fleet_holders(
        self, search: HolderSearch, after: str, limit: int
    ) -> Sequence[HeldKey]:
        """Return up to `limit` holders of keys with an id beyond `after`, in order."""
        ...

    async def entrust(self, wanted: Entrusting, *, act: Act) -> HeldKey:
        """Say who holds a key, which need not have been seen. Nothing new changes nothing."""
        ...

    async def import_holders(
        self, rows: Sequence[Entrusting], *, dry_run: bool, act: Act
    ) -> Imported:
        """Do many at once, or none; no two of them name one key."""
        ...

    async def release(self, key_id: str, *, act: Act) -> Holder | None:
        """Take out who holds a key. None: nobody was registered."""
        ...

    async def assign_host(self, host_id: str, person: str, *, act: Act) -> Host | None:
        """Say whose a host is, "" = nobody's. None: there is none, or it was erased."""
        ...

    async def forget_person(self, person: str, *, act: Act) -> Forgotten:
        """Forget a person, however the name is spelt: what they hold, their hosts, claims."""
        ...

    async def take_claim(self, claim: AskedClaim) -> Receipt:
        """Keep what a host's user says of a key, in the place of what they said before.

        AGAIN for one that was taken; CLASH for one that is older than what is known; FULL.
        """
        ...

    async def fleet_claims(
        self, ids: Sequence[str] | None, after: str, limit: int
    ) -> Sequence[HolderClaim]:
        """Return up to `limit` claims that wait, with an id beyond `after`, in order of ids.

        ids: only about keys that are called one of these; None: about whichever.
        """
        ...

    async def accept_claim(
        self, key_id: str, host_id: str, *, act: Act, claim_id: str = ""
    ) -> HeldKey | None:
        """Make the registry say what a claim says. None: no such claim waits.

        claim_id: the one that somebody looked at, "" = whatever the host's user says by now.
        """
        ...

    async def dismiss_claim(
        self, key_id: str, host_id: str, *, act: Act, claim_id: str = ""
    ) -> HolderClaim | None:
        """Take a claim away, and its person's name. None: no such claim waits."""
        ...
