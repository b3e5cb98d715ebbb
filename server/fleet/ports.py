"""What the fleet needs of a store."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from agent.report import Report, Value
from server.fleet.absorbing import KnownKey
from server.fleet.custody import Custody
from server.fleet.enrolment import Admission, Asked, Token
from server.fleet.health import JUDGING, Judging, Level
from server.fleet.hosts import Host, HostState
from server.fleet.proof import Proof
from server.fleet.proving import Proven
from server.fleet.receipt import Receipt
from server.journal.acts import Act

MAX_CHANGES = 500
"""Changes that are kept of a key, the newest ones."""

MAX_BATCH = 512
"""Reports that a book is given at once: it takes them in as many transactions as suit its store."""


class UnknownHostError(LookupError):
    """There is no such host."""

    def __init__(self, host_id: str) -> None:
        super().__init__(f"there is no host {host_id}; list them to see which are")


class UnknownFleetKeyError(LookupError):
    """There is no key with this id."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"there is no key {key_id}; list them to see which are")


class Search(NamedTuple):
    """Which keys are wanted; None: whichever. firmware: how the version begins, in whole numbers.

    serial: also of keys that are named by the hash of it; rule: of health, that found something.
    """

    serial: int | None = None
    host_name: str | None = None
    firmware: tuple[int, ...] | None = None
    rule: str | None = None
    level: Level | None = None


class Sighting(NamedTuple):
    """That a host saw a key; days as ISO dates are compared. attached: None where nobody asks.

    person: whose the host is, "" = nobody said; person_after: since when, as a `Host` has it.
    """

    host_id: str
    host_name: str
    first_day: str
    last_day: str
    attached: bool | None
    person: str = ""
    person_after: str = ""


class NotedChange(NamedTuple):
    """A change as it was noted. number: counts a key's; at_us: by the store's clock."""

    number: int
    at_us: int
    host_id: str
    fact: str
    before: Value | None
    after: Value | None


class FleetKey(NamedTuple):
    """A key and where it was seen, newest sighting first. custody: who has it."""

    key: KnownKey
    sightings: Sequence[Sighting]
    custody: Custody = Custody()


class KeyCount(NamedTuple):
    """How many keys are alike. line: as `lines.line_word` has it; firmware: "" for not known."""

    level: Level | None
    line: str
    firmware: str
    keys: int


class FleetBook(Protocol):
    """Keeps hosts and what they report. Raises the store's errors (server.otp.ports).

    A change is durable when the call returns; what an operator does is in the journal.
    """

    async def add_enrolment_token(
        self, name: str, digest: bytes, *, lifetime_us: int, replaces: bool, act: Act
    ) -> Token:
        """Keep a token for a host; those for its name that nobody used end. HostEnrolledError."""
        ...

    async def knows_token(self, digest: bytes) -> bool:
        """Tell whether there is such a token, used or not, without a turn at writing."""
        ...

    async def enrol(self, asked: Asked) -> Admission:
        """Let a host in, once. BadTokenError, after which nothing is changed."""
        ...

    async def fleet_host(self, host_id: str) -> Host | None:
        """Return a host, whatever its state."""
        ...

    async def list_hosts(self, after: str, limit: int) -> Sequence[Host]:
        """Return up to `limit` hosts with an id beyond `after`, in order."""
        ...

    async def erase_host(self, host_id: str, *, act: Act) -> Host | None:
        """Forget a host: its name, its sightings, and keys that nobody else saw.

        With an active host go the earlier enrolments of its name, and tokens for it. Its id stays,
        and when it was enrolled, without anything beside it. None: there is none.
        """
        ...

    async def take_reports(
        self, reports: Sequence[Report], judging: Judging = JUDGING
    ) -> Sequence[Receipt]:
        """Take reports whose signatures are right, in order, and say what became of each.

        One that is not NEW changes nothing but, for a CLASH, the host's count of them.
        """
        ...

    async def prove(self, proof: Proof) -> Proven | None:
        """Keep what a key proved of itself.

        None, and nothing is kept: the host is not active, or never reported that key.
        """
        ...

    async def note_altered(self, host_id: str, key_id: str, how: str) -> None:
        """Count against a host that it altered what a key said on its way, and tell it as a fact.

        how: the word for it. Nothing is kept of what was said.
        """
        ...

    async def fleet_keys(self, search: Search, after: str, limit: int) -> Sequence[FleetKey]:
        """Return up to `limit` keys with an id beyond `after`, in order."""
        ...

    async def fleet_key(self, key_id: str) -> FleetKey | None:
        """Return a key."""
        ...

    async def fleet_hosts(self, host_ids: Sequence[str]) -> Mapping[str, Host]:
        """Return those of these hosts that there are, by id."""
        ...

    async def key_counts(self) -> Sequence[KeyCount]:
        """Count keys by what was found of them last, from an index, without a turn at writing."""
        ...

    async def rule_counts(self) -> Mapping[str, int]:
        """Count the keys at which each rule found something, likewise."""
        ...

    async def host_counts(self) -> Mapping[HostState, int]:
        """Count hosts, likewise."""
        ...

    async def key_changes(self, key_id: str, before: int, limit: int) -> Sequence[NotedChange]:
        """Return up to `limit` changes of a key, the newest first, numbered below `before`."""
        ...
