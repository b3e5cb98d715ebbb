"""The admin API on maintenance: `/api/v1/maintenance`, and the calendar that everybody gets."""

import asyncio
from http import HTTPMethod, HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import ConfigDict, Field, model_validator

from server.accounts.access import Permission
from server.incidents.instants import write_instant
from server.maintenance.counting import windows
from server.maintenance.decisions import MAX_TITLE
from server.maintenance.desk import UTC_NAME, MaintenanceDesk
from server.maintenance.feed import MEDIA_TYPE, write_calendar
from server.maintenance.plan import Component, Condition, Maintenance, Record, Step, condition
from server.maintenance.watch import SHOWN_S
from server.web.admin_request import (
    answer,
    moment,
    page_limit,
    read_cause,
    read_json,
    read_query,
    whole_number,
    write_down,
)
from server.web.json_types import Body, Moment, Shown
from server.web.parameters import AFTER, LARGEST_NUMBER, LIMIT, REASON
from server.web.route import Reach, Route

_ONE = "/maintenance/{maintenance_id}"
_US = 1_000_000

Time = Annotated[str, Field(max_length=40)]
"""ISO 8601, with its offset or on the wall of the zone."""

Zone = Annotated[str, Field(max_length=64)]
Title = Annotated[str, Field(max_length=MAX_TITLE)]


class NewMaintenance(Body):
    """Maintenance to be planned. zone: of times without an offset; announce: tell everybody now."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "component": "validation",
                    "title": "Database upgrade",
                    "start": "2030-03-09T22:00:00",
                    "end": "2030-03-09T23:30:00",
                    "zone": "Europe/Stockholm",
                }
            ]
        }
    )

    component: Annotated[Component, Field(strict=False)]
    title: Title
    start: Time
    end: Time
    zone: Zone = UTC_NAME
    announce: bool = True


class MaintenanceChanges(Body):
    """What is to be another; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"end": "2030-03-10T01:00:00Z"}]})

    title: Title | None = None
    start: Time | None = None
    end: Time | None = None
    zone: Zone = UTC_NAME

    @model_validator(mode="after")
    def _something(self) -> "MaintenanceChanges":
        if not self.model_fields_set & {"title", "start", "end"}:
            raise ValueError("give at least one of title, start and end")
        return self


class StepShown(Shown):
    """A step of the history: what was done when, and what was planned from then on."""

    step: Step
    time: Moment
    title: str
    start: Moment
    end: Moment


class WindowShown(Shown):
    """Seconds that were announced. counts: they are left out of availability."""

    start: Moment
    end: Moment
    announced: Moment
    cancelled: Moment | None
    counts: bool


class MaintenanceShown(Shown):
    """A maintenance. announced: when everybody was told first, null while it is a draft."""

    id: int
    component: Component
    title: str
    start: Moment
    end: Moment
    condition: Condition
    announced: Moment | None
    windows: list[WindowShown]
    history: list[StepShown]


class MaintenancesShown(Shown):
    """A page of maintenance. next: `after` of the page behind it, null at the end."""

    maintenance: list[MaintenanceShown]
    next: int | None


def show_maintenance(one: Maintenance, now_s: int, notice_s: int) -> MaintenanceShown:
    """Return a maintenance as it is answered."""
    component, title, span = one.plan
    return MaintenanceShown(
        id=one.maintenance_id,
        component=component,
        title=title,
        start=write_instant(span.start),
        end=write_instant(span.end),
        condition=condition(one, now_s),
        announced=None if one.announced_us is None else moment(one.announced_us),
        windows=[
            WindowShown(
                start=write_instant(window.span.start),
                end=write_instant(window.span.end),
                announced=write_instant(window.announced_at or 0),
                cancelled=None
                if window.cancelled_at is None
                else write_instant(window.cancelled_at),
                counts=window.counts(notice_s),
            )
            for window in windows(one)
        ],
        history=[_step(record) for record in one.history],
    )


def _step(record: Record) -> StepShown:
    return StepShown(
        step=record.step,
        time=moment(record.at_us),
        title=record.plan.title,
        start=write_instant(record.plan.span.start),
        end=write_instant(record.plan.span.end),
    )


class AdminMaintenance:
    """Handlers over the operator's desk for maintenance."""

    def __init__(self, desk: MaintenanceDesk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API."""
        read, write = Permission.MAINTENANCE_READ, Permission.MAINTENANCE_WRITE
        get, post, whole = HTTPMethod.GET, HTTPMethod.POST, Reach.SERVICE
        shown, why = MaintenanceShown, (REASON,)
        made, page = HTTPStatus.CREATED, (AFTER, LIMIT)
        calendar = "/maintenance.ics"
        steps = {
            "announce": self.announce,
            "cancel": self.cancel,
            "begin": self.begin,
            "finish": self.finish,
        }
        return [
            Route(get, "/maintenance", self.list_all, read, whole, MaintenancesShown, query=page),
            Route(
                post, "/maintenance", self.schedule, write, whole, shown, made, why, NewMaintenance
            ),
            Route(get, calendar, self.calendar, read, whole, None, media=MEDIA_TYPE),
            Route(get, _ONE, self.show, read, whole, shown),
            Route(
                HTTPMethod.PATCH,
                _ONE,
                self.change,
                write,
                whole,
                shown,
                query=why,
                body=MaintenanceChanges,
            ),
            *(
                Route(post, f"{_ONE}/{verb}", handler, write, whole, shown, query=why)
                for verb, handler in steps.items()
            ),
        ]

    async def list_all(self, request: web.Request) -> web.Response:
        """List maintenance by number; `next` is where the next page begins."""
        query = read_query(request, ("after", "limit"))
        after = whole_number(query, "after", default=0, largest=LARGEST_NUMBER)
        limit = page_limit(query)
        found = await self._desk.list(after, limit)
        now_s = await self._desk.now_s()
        shown = [show_maintenance(one, now_s, self._desk.notice_s) for one in found]
        more = found[-1].maintenance_id if len(found) == limit else None
        return answer(request, MaintenancesShown(maintenance=shown, next=more))

    async def schedule(self, request: web.Request) -> web.Response:
        """Plan a maintenance, and announce it unless it is to be a draft."""
        body = await read_json(request, NewMaintenance)
        one = await self._desk.schedule(
            body.component,
            body.title,
            start=body.start,
            end=body.end,
            zone=body.zone,
            announce=body.announce,
            cause=read_cause(request),
        )
        return await self._changed(request, "schedule", one)

    async def show(self, request: web.Request) -> web.Response:
        """Show one maintenance with its history."""
        read_query(request, ())
        one = await self._desk.show(_number(request))
        return answer(request, show_maintenance(one, await self._desk.now_s(), self._desk.notice_s))

    async def change(self, request: web.Request) -> web.Response:
        """Change title, start or end; what was announced stays in the history."""
        body = await read_json(request, MaintenanceChanges)
        one = await self._desk.change(
            _number(request),
            title=body.title,
            start=body.start,
            end=body.end,
            zone=body.zone,
            cause=read_cause(request),
        )
        return await self._changed(request, "change", one)

    async def announce(self, request: web.Request) -> web.Response:
        """Tell everybody of a draft."""
        one = await self._desk.announce(_number(request), cause=read_cause(request))
        return await self._changed(request, "announce", one)

    async def cancel(self, request: web.Request) -> web.Response:
        """Call a maintenance off before it begins."""
        one = await self._desk.cancel(_number(request), cause=read_cause(request))
        return await self._changed(request, "cancel", one)

    async def begin(self, request: web.Request) -> web.Response:
        """Note that the work begins."""
        one = await self._desk.begin(_number(request), cause=read_cause(request))
        return await self._changed(request, "begin", one)

    async def finish(self, request: web.Request) -> web.Response:
        """Note that the work is done."""
        one = await self._desk.finish(_number(request), cause=read_cause(request))
        return await self._changed(request, "finish", one)

    async def calendar(self, request: web.Request) -> web.Response:
        """Show what was announced as a calendar (iCalendar)."""
        read_query(request, ())
        found = await self._desk.announced(await self._desk.now_s() - SHOWN_S)
        octets = await asyncio.to_thread(write_calendar, found)
        return web.Response(body=octets, content_type=MEDIA_TYPE, charset="utf-8")

    async def _changed(self, request: web.Request, verb: str, one: Maintenance) -> web.Response:
        write_down(request, f"maintenance.{verb}", maintenance=one.maintenance_id)
        now_s = one.history[-1].at_us // _US
        return answer(request, show_maintenance(one, now_s, self._desk.notice_s))


def _number(request: web.Request) -> int:
    return int(request.match_info["maintenance_id"])
