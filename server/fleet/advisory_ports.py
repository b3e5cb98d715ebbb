"""What advisories, decisions on them and the judging of all keys need of a store."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple, Protocol

from server.fleet.absorbing import KnownKey
from server.fleet.criterion import Decision
from server.fleet.custody import Alarm
from server.fleet.health import Level
from server.fleet.rulebook import Hit
from server.journal.acts import Act
from server.leases import Lease


class LoadedFile(NamedTuple):
    """A file as it was loaded. number: counts from 1; key_id: of who signed; by: who loaded it."""

    number: int
    edition: int
    key_id: bytes
    digest: str
    loaded_us: int
    by: str


class OvertakenError(Exception):
    """Another file was loaded, or another decision made, since who asks looked."""

    def __init__(self) -> None:
        super().__init__("somebody else was faster: look at what stands now, and try again")


class JudgedKey(NamedTuple):
    """A key that was judged under another rulebook. hits: what was known of advisories then.

    alarms: that stand at it, of whose hands it is in.
    """

    key: KnownKey
    hits: Mapping[str, Hit]
    kept: str
    alarms: tuple[Alarm, ...] = ()


class Judgement(NamedTuple):
    """What a rulebook says of a key. became: advisories that it was not hit so hard by before.

    line: of products, as `lines.line_word` has it; due: the day on which the same facts may be
    judged otherwise. kept: of the key as it was read; it is not stored when that is another one.
    """

    key_id: str
    kept: str
    worst: Level | None
    rules: tuple[str, ...]
    line: str
    due: date | None
    hits: Mapping[str, Hit]
    became: Mapping[str, Hit]


class AdvisoryBook(Protocol):
    """Keeps files of advisories, decisions, and judgements. Raises the store's errors."""

    async def advisory_files(self, after: int) -> Sequence[LoadedFile]:
        """Return the files that were loaded with numbers beyond `after`, in order."""
        ...

    async def advisory_text(self, number: int) -> bytes:
        """Return the whole of a file. LookupError."""
        ...

    async def add_advisory_file(
        self, text: bytes, *, edition: int, key_id: bytes, digest: str, after: int, act: Act
    ) -> LoadedFile:
        """Keep a file; after: the newest number that was known to who decided. OvertakenError."""
        ...

    async def decisions(self) -> Sequence[Decision]:
        """Return all decisions that an advisory is critical, or is not any more, in order."""
        ...

    async def add_decision(
        self, advisory_id: str, *, critical: bool, edition: int, criterion: str, act: Act
    ) -> Decision:
        """Keep a decision. OvertakenError: the newest one on that advisory says the same."""
        ...

    async def call_due(self, today: date, limit: int, *, lease: Lease | None = None) -> int:
        """Let up to `limit` keys whose day has come be judged anew; return how many.

        They are judged by no rulebook then. LeaseLostError.
        """
        ...

    async def judged_otherwise(self, stamp: str, after: str, limit: int) -> Sequence[JudgedKey]:
        """Return up to `limit` keys beyond `after`, in order, not judged under this stamp."""
        ...

    async def count_judged_otherwise(self, stamp: str) -> int:
        """Return how many there are."""
        ...

    async def keep_judgements(
        self,
        judgements: Sequence[Judgement],
        *,
        stamp: str,
        edition: int,
        today: date,
        lease: Lease | None = None,
    ) -> int:
        """Store judgements, tell facts of what became; return how many. LeaseLostError.

        A key that changed since it was read is left for another round.
        """
        ...
