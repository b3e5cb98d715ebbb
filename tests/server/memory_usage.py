"""What was answered, in memory, for the store that keeps every port there."""

from collections.abc import Collection, Sequence

from server.leases import Lease
from server.usage.ports import Parcel, Slot

_MINUTE_US = 60_000_000
_PRUNED_AT_ONCE = 1_000


class MemoryUsage:
    """UsageBook on dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self._minutes: dict[tuple[int, int], tuple[int, ...]] = {}
        self._senders: dict[str, tuple[int, int]] = {}

    def _require(self, lease: Lease) -> None:
        raise NotImplementedError

    async def store_time_us(self) -> int:
        raise NotImplementedError

    async def add_usage(self, parcel: Parcel) -> int:
        now_us = await self.store_time_us()
        if parcel.rows and self._senders.get(parcel.sender, (0, 0))[0] < parcel.number:
            self._senders[parcel.sender] = (parcel.number, now_us)
            for minute, client_id, counts in parcel.rows:
                before = self._minutes.get((minute, client_id), (0,) * len(counts))
                self._minutes[minute, client_id] = _sum(before, counts)
        return now_us

    async def client_usage(self, client_id: int, first: int, end: int, step: int) -> Sequence[Slot]:
        others = {number for _, number in self._minutes} - {client_id}
        return await self.total_usage(first, end, step, others)

    async def total_usage(
        self, first: int, end: int, step: int, left_out: Collection[int]
    ) -> Sequence[Slot]:
        slots: dict[int, tuple[int, ...]] = {}
        for (minute, client_id), counts in self._minutes.items():
            if first <= minute < end and client_id not in left_out:
                start = minute - minute % step
                slots[start] = _sum(slots.get(start, (0,) * len(counts)), counts)
        return [Slot(start, counts) for start, counts in sorted(slots.items())]

    async def prune_usage(self, before: int, lease: Lease | None = None) -> int:
        if lease is not None:
            self._require(lease)
        old = sorted(key for key in self._minutes if key[0] < before)[:_PRUNED_AT_ONCE]
        for key in old:
            del self._minutes[key]
        if not old:
            heard = self._senders.items()
            self._senders = {
                sender: (number, heard_us)
                for sender, (number, heard_us) in heard
                if heard_us >= before * _MINUTE_US
            }
        return len(old)


def _sum(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))
