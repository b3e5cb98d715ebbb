"""Compares the AEADs that the devices' logs tell of with those in the store."""

from hsm.audit.lines import DamagedLineError
from hsm.audit.noted import Note
from hsm.audit.reconcile import Balance, balance
from server.hsm_log.alarms import Alarms
from server.hsm_log.ports import HsmLogBook
from server.hsm_log.pump import NOTES
from server.leases import Lease

BALANCE = "hsm_aead_balance"


class Reconciler:
    """Looks at all devices of a store together: a pool opens what any of them made.

    unaccounted: created minus stored, at the last look; None before that.
    """

    def __init__(self, book: HsmLogBook, alarms: Alarms) -> None:
        self._book = book
        self._alarms = alarms
        self.unaccounted: int | None = None

    async def look(self, lease: Lease) -> None:
        """Compare once. Raises the store's errors and LeaseLostError."""
        written = await self._book.meta(BALANCE)
        stored = await self._book.count_aead_records()
        notes = await self._book.metas(NOTES)
        created = sum(_created(note) for note in notes.values())
        was = None if written is None else Balance.parse(written)
        now, finding = balance(was, created, stored)
        self.unaccounted = created - stored
        if now == was:
            return
        facts = self._alarms.raised(None, [] if finding is None else [finding])
        await self._book.note_hsm_log(BALANCE, written, now.format(), facts, lease)


def _created(note: str) -> int:
    """Return how many AEADs a device's log tells of; the pump complains of a damaged note."""
    try:
        after = Note.parse(note).after
    except DamagedLineError:
        return 0
    return 0 if after is None else after.tally.created
