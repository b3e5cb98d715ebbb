"""Brings findings to the server, oldest first, until it has all or does not answer."""

import json
from collections.abc import Sequence

from server.incidents.intervals import Span
from server.probing.ports import MOST_AT_ONCE, FindingSpool, Office, OfficeError


class HandIn:
    """What stands between spool and office. windows: of maintenance, as the server said last."""

    def __init__(
        self, spool: FindingSpool, office: Office, *, windows: Sequence[Span] = ()
    ) -> None:
        self._spool = spool
        self._office = office
        self.windows = tuple(windows)
        self.fault: str | None = None
        """Why the last attempt failed, None when it did not."""

    async def turn(self) -> bool:
        """Bring all there is; return whether the server has it. Never raises OfficeError."""
        try:
            while await self._bring():
                pass
        except OfficeError as error:
            self.fault = str(error)
            return False
        self.fault = None
        return True

    async def _bring(self) -> bool:
        """Bring one parcel; return whether there is more."""
        spool = self._spool
        findings = spool.unsent(MOST_AT_ONCE)
        number, self.windows = await self._office.hand_in(spool.prober, findings)
        if number > spool.newest:
            spool.renumber(number)
            return bool(findings)
        spool.taken(number)
        if findings and number < findings[-1].number:
            raise OfficeError("the server has less than it was brought")
        return len(findings) == MOST_AT_ONCE


def write_windows(windows: Sequence[Span]) -> str:
    """Return windows as the spool keeps them; `read_windows` is the inverse."""
    return json.dumps([list(span) for span in windows])


def read_windows(text: str | None) -> tuple[Span, ...]:
    """Read what `write_windows` wrote; nothing when nothing was."""
    return tuple(Span(int(start), int(end)) for start, end in json.loads(text or "[]"))
