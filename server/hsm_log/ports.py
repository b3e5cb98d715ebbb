"""What the pump asks of the store."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from server.facts import NewFact
from server.leases import Lease


class HsmLogBook(Protocol):
    """Notes how far logs were read, with the facts of it. Raises the store's errors."""

    async def meta(self, name: str) -> str | None:
        """Return a named value, or None."""
        ...

    async def metas(self, prefix: str) -> Mapping[str, str]:
        """Return all named values whose names begin so."""
        ...

    async def note_hsm_log(
        self, name: str, was: str | None, now: str, facts: Sequence[NewFact], lease: Lease
    ) -> bool:
        """Change a named value from one to another, and append facts with it.

        False: it is not what it was; nothing was written. LeaseLostError.
        """
        ...

    async def count_aead_records(self) -> int:
        """Return how many stored keys are AEADs of an HSM (records of strict mode)."""
        ...
