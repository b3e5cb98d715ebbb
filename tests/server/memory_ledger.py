"""The ledger in memory, for the store that keeps every port there."""

from collections.abc import Sequence

from server.journal.acts import Act, State, Subject
from server.journal.checkpoint import Checkpoint
from server.journal.entry import BEGINNING, End
from server.leases import Lease
from server.ledger.entry import SALT_OCTETS, Entry, Kind, NewEntry, append

_ERASED_AT_ONCE = 500


class MemoryLedger:
    """LedgerBook on lists."""

    def __init__(self) -> None:
        super().__init__()
        self._ledger: list[Entry] = []
        self._ledger_checkpoints: list[Checkpoint] = []

    def _require(self, lease: Lease) -> None:
        raise NotImplementedError

    def _write_down(
        self, act: Act, subject: Subject, before: State | None, after: State | None
    ) -> None:
        raise NotImplementedError

    async def store_time_us(self) -> int:
        raise NotImplementedError

    def append_ledger(self, entries: Sequence[NewEntry], now_us: int) -> None:
        made = list(self._ledger)
        for new in entries:
            end = made[-1].end if made else BEGINNING
            salt = (end.sequence + 1).to_bytes(SALT_OCTETS, "big")
            made.append(append(end, new, now_us, salt))
        self._ledger = made  # all of them, or none

    async def ledger_end(self) -> End:
        return self._ledger[-1].end if self._ledger else BEGINNING

    async def ledger_entries(self, after: int, limit: int) -> Sequence[Entry]:
        return [one for one in self._ledger if one.sequence > after][:limit]

    async def add_ledger_checkpoint(
        self, checkpoint: Checkpoint, lease: Lease | None = None
    ) -> int:
        if lease is not None:
            self._require(lease)
        self._ledger_checkpoints.append(checkpoint)
        return len(self._ledger_checkpoints)

    async def ledger_checkpoints(self, after: int, limit: int) -> Sequence[tuple[int, Checkpoint]]:
        return list(enumerate(self._ledger_checkpoints, 1))[after : after + limit]

    async def last_ledger_checkpoint(self) -> Checkpoint | None:
        return self._ledger_checkpoints[-1] if self._ledger_checkpoints else None

    async def erase_payload(self, sequence: int, *, act: Act) -> bool:
        entry = next((one for one in self._ledger if one.sequence == sequence), None)
        if entry is None or entry.payload is None:
            return False
        self._ledger[sequence - 1] = entry._replace(payload=None)
        subject = Subject("ledger-entry", str(sequence))
        self._write_down(act, subject, {"payload": "kept"}, {"payload": "erased"})
        return True

    async def prune_payloads(self, kind: Kind, before_us: int, lease: Lease | None = None) -> int:
        if lease is not None:
            self._require(lease)
        old = [
            at
            for at, one in enumerate(self._ledger)
            if one.kind == kind and one.time_us < before_us and one.payload is not None
        ][:_ERASED_AT_ONCE]
        for at in old:
            self._ledger[at] = self._ledger[at]._replace(payload=None)
        return len(old)
