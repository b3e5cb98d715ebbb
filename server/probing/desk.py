"""The server's desk for probers: takes what they found, and tells them what is announced."""

import re
from collections.abc import Sequence

from server.accounts.text import InputError
from server.incidents.intervals import Span
from server.maintenance.counting import counting_spans
from server.maintenance.plan import Component
from server.maintenance.ports import MaintenanceBook
from server.probing.finding import Finding
from server.probing.ports import MOST_AT_ONCE, ProbeBook, ProberDetails, Receipt

_NAME = re.compile(r"[a-z0-9]{8,64}")
_US = 1_000_000


class ProbeDesk:
    """Takes parcels. notice_s: as of maintenance. Raises InputError and the store's errors."""

    def __init__(self, book: ProbeBook, maintenance: MaintenanceBook, *, notice_s: int = 0) -> None:
        self._book = book
        self._maintenance = maintenance
        self._notice_s = notice_s

    async def take(self, prober: str, findings: Sequence[Finding]) -> Receipt:
        """Take a parcel; the same one may come again."""
        if not _NAME.fullmatch(prober):
            raise InputError("a prober is called by 8 to 64 lower-case letters and digits")
        if len(findings) > MOST_AT_ONCE:
            raise InputError(f"bring at most {MOST_AT_ONCE} findings at once")
        number = await self._book.add_findings(prober, findings)
        return Receipt(number, await self._windows())

    async def list_probers(self) -> Sequence[ProberDetails]:
        """Return who hands in, and how each stands."""
        return await self._book.list_probers()

    async def _windows(self) -> tuple[Span, ...]:
        now_s = await self._maintenance.store_time_us() // _US
        announced = await self._maintenance.public_maintenance(now_s)
        spans = counting_spans(announced, Component.VALIDATION, self._notice_s)
        return tuple(span for span in spans if span.end > now_s)
