"""A hot store that counts: batches, entries and failures of whatever store it wraps."""

from collections.abc import Sequence

from server.metrics.layout import StoreFailure
from server.metrics.tally import Tally
from server.otp.ports import (
    Entry,
    HotStore,
    Outcome,
    StoreUnavailableError,
    UnknownOutcomeError,
)


class CountedHotStore:
    """Passes every batch on to `store` and counts in `tally` what came of it."""

    def __init__(self, store: HotStore, tally: Tally) -> None:
        self._store = store
        self._tally = tally

    async def spend_and_advance(self, batch: Sequence[Entry]) -> Sequence[Outcome]:
        """Decide a batch as the wrapped store does, raising what it raises."""
        try:
            outcomes = await self._store.spend_and_advance(batch)
        except StoreUnavailableError:
            self._tally.store_failed(StoreFailure.UNAVAILABLE)
            raise
        except UnknownOutcomeError:
            self._tally.store_failed(StoreFailure.UNKNOWN_OUTCOME)
            raise
        self._tally.batch(len(batch))
        return outcomes
