"""The server's desk for probers: takes what they found, and tells them what is announced."""

import re
from collections.abc import Sequence

from server.accounts.text import InputError
from server.incidents.intervals import Span
from server.journal.acts import LOCAL, Cause, Deed, Subject
from server.maintenance.counting import counting_spans
from server.maintenance.plan import Component
from server.maintenance.ports import MaintenanceBook
from server.probing.finding import Finding
from server.probing.ports import MOST_AT_ONCE, ProbeBook, ProberDetails, ProberNames, Receipt

_NAME = re.compile(r"[a-z0-9]{8,64}")
_OWNER = "prober_of_"
_US = 1_000_000


class ForeignProberError(Exception):
    """A prober's name is used by another operator than the one who used it first."""


class ProbeDesk:
    """Takes parcels. notice_s: as of maintenance. Raises InputError and the store's errors."""

    def __init__(
        self,
        book: ProbeBook,
        maintenance: MaintenanceBook,
        names: ProberNames,
        *,
        notice_s: int = 0,
    ) -> None:
        self._book = book
        self._names = names
        self._maintenance = maintenance
        self._notice_s = notice_s

    async def claim(self, prober: str, cause: Cause) -> None:
        """Let one operator use a prober's name, the first who does; ForeignProberError.

        A prober says itself what it is called. Whoever has the admin socket may do everything, and
        use any name; one that was used there first is no operator's.
        """
        actor = cause.actor
        is_local = actor.kind == LOCAL
        owner = LOCAL if is_local else str(actor)
        name = f"{_OWNER}{prober}"
        known = await self._names.meta(name)
        if known is None:
            after = {"operator": owner}
            deed = Deed(cause.act("prober.bind"), Subject("prober", prober), None, after)
            known = await self._names.settle_meta(name, owner, deed)
        if known != owner and not is_local:
            raise ForeignProberError(
                f"the prober's name {prober} belongs to another operator, who used it first. Give"
                " this prober a spool of its own, which has a name of its own"
            )

    async def take(self, prober: str, findings: Sequence[Finding], *, cause: Cause) -> Receipt:
        """Take a parcel; the same one may come again. ForeignProberError."""
        if not _NAME.fullmatch(prober):
            raise InputError("a prober is called by 8 to 64 lower-case letters and digits")
        if len(findings) > MOST_AT_ONCE:
            raise InputError(f"bring at most {MOST_AT_ONCE} findings at once")
        await self.claim(prober, cause)
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
