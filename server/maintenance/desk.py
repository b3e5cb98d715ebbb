"""The operator's desk for maintenance: times as people write them, decisions, and the store."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from server.accounts.text import InputError
from server.incidents.instants import InstantError, parse_local
from server.incidents.intervals import Span
from server.journal.acts import Cause
from server.maintenance import decisions
from server.maintenance.decisions import MAX_TITLE, Changes, Decision
from server.maintenance.plan import Component, Maintenance, Plan
from server.maintenance.ports import MaintenanceBook, UnknownMaintenanceError

MAX_PAGE = 1000
UTC_NAME = "UTC"
_LATEST = 32_503_680_000  # the year 3000: beyond it nobody announces anything


class MaintenanceDesk:
    """What an operator may do with maintenance. Store errors pass through.

    notice_s: how long before its start a window must have been announced to count. Times are ISO
    8601, with their offset or on the wall of `zone`. Each raises InputError, and most
    MaintenanceStateError, OverlapError or UnknownMaintenanceError.
    """

    def __init__(self, book: MaintenanceBook, *, notice_s: int = 0) -> None:
        self._book = book
        self.notice_s = notice_s

    async def schedule(
        self,
        component: Component,
        title: str,
        *,
        start: str,
        end: str,
        zone: str = UTC_NAME,
        announce: bool = True,
        cause: Cause,
    ) -> Maintenance:
        """Plan a maintenance; announce: tell everybody now, or it stays a draft."""
        wall = _zone(zone)
        plan = Plan(component, _title(title), Span(_seconds(start, wall), _seconds(end, wall)))
        decision = decisions.schedule(plan, announce=announce)
        return await self._book.add_maintenance(decision, act=cause.act("maintenance.schedule"))

    async def announce(self, maintenance_id: int, *, cause: Cause) -> Maintenance:
        """Tell everybody of a draft."""
        return await self._continue(maintenance_id, decisions.announce, "announce", cause)

    async def change(
        self,
        maintenance_id: int,
        *,
        title: str | None = None,
        start: str | None = None,
        end: str | None = None,
        zone: str = UTC_NAME,
        cause: Cause,
    ) -> Maintenance:
        """Change the plan, and tell everybody when it was announced; None: as it is."""
        wall = _zone(zone)
        changes = Changes(
            None if title is None else _title(title),
            None if start is None else _seconds(start, wall),
            None if end is None else _seconds(end, wall),
        )
        return await self._continue(maintenance_id, decisions.change(changes), "change", cause)

    async def cancel(self, maintenance_id: int, *, cause: Cause) -> Maintenance:
        """Call it off before it begins."""
        return await self._continue(maintenance_id, decisions.cancel, "cancel", cause)

    async def begin(self, maintenance_id: int, *, cause: Cause) -> Maintenance:
        """Note that the work begins: one that nobody ends is seen to overrun."""
        return await self._continue(maintenance_id, decisions.begin, "begin", cause)

    async def finish(self, maintenance_id: int, *, cause: Cause) -> Maintenance:
        """Note that the work is done."""
        return await self._continue(maintenance_id, decisions.finish, "finish", cause)

    async def show(self, maintenance_id: int) -> Maintenance:
        """Return one with its history."""
        return _known(maintenance_id, await self._book.maintenance(maintenance_id))

    async def list(self, after: int, limit: int) -> Sequence[Maintenance]:
        """Return up to `limit` with a number beyond `after`."""
        return await self._book.list_maintenance(after, max(1, min(limit, MAX_PAGE)))

    async def announced(self, since_s: int) -> Sequence[Maintenance]:
        """Return what everybody may know, without what ended before `since_s`."""
        return await self._book.public_maintenance(since_s)

    async def now_s(self) -> int:
        """Return the store's time in whole seconds."""
        return await self._book.store_time_us() // 1_000_000

    async def _continue(
        self, maintenance_id: int, decision: Decision, verb: str, cause: Cause
    ) -> Maintenance:
        act = cause.act(f"maintenance.{verb}")
        found = await self._book.continue_maintenance(maintenance_id, decision, act=act)
        return _known(maintenance_id, found)


def _known(maintenance_id: int, found: Maintenance | None) -> Maintenance:
    if found is None:
        raise UnknownMaintenanceError(maintenance_id)
    return found


def _title(text: str) -> str:
    text = text.strip(" ")
    if not 1 <= len(text) <= MAX_TITLE or not text.isprintable():
        raise InputError(
            f"the title is one line of 1 to {MAX_TITLE} characters that can be shown: say what is"
            " done, for the people whom it concerns"
        )
    return text


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError("the zone is a name like Europe/Stockholm, or UTC") from None


def _seconds(text: str, zone: ZoneInfo) -> int:
    try:
        seconds = parse_local(text, zone)
    except InstantError as error:
        raise InputError(str(error)) from error
    if not 0 <= seconds < _LATEST:
        raise InputError("nobody plans that: give times between 1970 and 3000")
    return seconds
