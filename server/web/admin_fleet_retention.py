"""The admin API on what the fleet forgets: what goes and when, and one key by hand."""

from datetime import date
from http import HTTPMethod
from typing import Literal

from aiohttp import web

from server.accounts.access import Permission
from server.fleet.retention import DAY_US, summed
from server.fleet.retention_desk import Plan, RetentionDesk, after_us
from server.web.admin_request import answer, moment, read_cause, read_query, write_down
from server.web.json_types import Moment, Shown
from server.web.parameters import REASON
from server.web.route import Reach, Route

_EPOCH = date(1970, 1, 1)
What = Literal["keys", "changes", "hosts", "silent", "tokens"]


class RetainedShown(Shown):
    """One kind of data. days: how long it is kept, null: for good. due: how much would go now.

    next: when the oldest of the rest goes, null: never, or there is none.
    """

    what: What
    days: int | None
    due: int
    next: Moment | None


class SilentHostShown(Shown):
    """A host that is silent or was replaced. erased: when it goes if it stays so, null: never."""

    id: str
    name: str
    state: str
    heard: Moment
    silent: Moment | None
    erased: Moment | None


class RetentionShown(Shown):
    """What would be forgotten now, and what is next.

    looked: when the job was there last; forgotten: what a run removed that was cut off.
    """

    looked: Moment | None
    forgotten: dict[str, int]
    kept: list[RetainedShown]
    hosts: list[SilentHostShown]


class KeyErasedShown(Shown):
    """That a key was erased."""

    erased: Literal[True]


class AdminFleetRetention:
    """Handlers over the desk for what is forgotten."""

    def __init__(self, desk: RetentionDesk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API."""
        whole = Reach.SERVICE
        return [
            Route(
                HTTPMethod.GET,
                "/fleet/retention",
                self.show,
                Permission.FLEET_READ,
                whole,
                RetentionShown,
            ),
            Route(
                HTTPMethod.POST,
                "/fleet/keys/{key_id}/erase",
                self.erase_key,
                Permission.FLEET_ERASE,
                whole,
                KeyErasedShown,
                query=(REASON,),
            ),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """Show what would be forgotten now, and what is next; nothing is changed."""
        read_query(request, ())
        return answer(request, _shown(await self._desk.plan()))

    async def erase_key(self, request: web.Request) -> web.Response:
        """Forget a key with everything about it; what hosts saw of it until today is not heard."""
        cause = read_cause(request)
        await self._desk.erase_key(request.match_info["key_id"], cause=cause)
        write_down(request, "fleet-key.erase")  # which one is what is to be forgotten
        return answer(request, KeyErasedShown(erased=True))


def _shown(plan: Plan) -> RetentionShown:
    kept, due = plan.kept, plan.due
    seen_us = None if due.seen_day is None else _midnight_us(due.seen_day)
    rows: list[tuple[What, int | None, int, int | None]] = [
        # A key goes when the last day of its keeping is over.
        ("keys", kept.keys_days, due.keys, None if seen_us is None else seen_us + DAY_US),
        ("changes", kept.changes_days, due.changes, due.changed_us),
        ("tokens", kept.tokens_days, due.tokens, due.expired_us),
        ("silent", kept.silent_days, due.silent, due.heard_us),
    ]
    shown = [
        RetainedShown(what=what, days=days, due=count, next=_moment(after_us(start_us, days)))
        for what, days, count, start_us in rows
    ]
    erased = [one.erased_us for one in plan.hosts if one.erased_us is not None]
    next_us = min(erased, default=None)
    shown.append(
        RetainedShown(what="hosts", days=kept.hosts_days, due=due.hosts, next=_moment(next_us))
    )
    return RetentionShown(
        looked=_moment(plan.looked.at_us),
        forgotten=dict(summed(plan.looked.gone)),
        kept=shown,
        hosts=[
            SilentHostShown(
                id=one.host.host_id,
                name=one.host.name,
                state=one.host.state.value,
                heard=moment(one.host.heard_us),
                silent=_moment(one.host.silent_us if one.host.is_silent else None),
                erased=_moment(one.erased_us),
            )
            for one in plan.hosts
        ],
    )


def _midnight_us(day: str) -> int:
    return (date.fromisoformat(day) - _EPOCH).days * DAY_US


def _moment(time_us: int | None) -> str | None:
    return None if time_us is None else moment(time_us)
