"""The admin API on notices: `/api/v1/notices`, what was told to whom, and `/api/v1/oncall`."""

from http import HTTPMethod, HTTPStatus
from typing import Annotated, Literal

from aiohttp import web
from pydantic import ConfigDict, Field

from server.accounts.access import Permission
from server.accounts.text import OPERATOR_NAME
from server.incidents.instants import write_instant
from server.notices.delivery import Role, Standing
from server.notices.desk import MAX_DAYS, NoticeDesk
from server.notices.ports import Numbered, Which
from server.notices.sending import Way
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
from server.web.parameters import AFTER, LARGEST_NUMBER, LIMIT, REASON, QueryParameter
from server.web.problems import ProblemError
from server.web.route import Reach, Route

_DAYS = 14

_ABOUT = QueryParameter(
    "about",
    {"type": "string", "pattern": "^(incident|maintenance|report|test):[a-z0-9._-]{1,64}$"},
    "Only what is about this, as in incident:12.",
)
_STANDING = QueryParameter(
    "standing",
    {"type": "string", "enum": [standing.value for standing in Standing]},
    "Only what stands so.",
)
_DAYS_SHOWN = QueryParameter(
    "days",
    {"type": "integer", "minimum": 1, "maximum": MAX_DAYS},
    f"For how many days; {_DAYS} without it.",
)


class NewTest(Body):
    """Whom to send a test to, by all their ways."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "anna"}]})

    name: Annotated[str, Field(pattern=f"^{OPERATOR_NAME}$", max_length=64)]


class RecipientShown(Shown):
    """Who was told, and where; place: "" once that was erased. customer: whose contact it is."""

    role: Role
    name: str
    way: Way
    place: str
    customer: int | None


class DeliveryShown(Shown):
    """What was told to one recipient, and what became of it.

    id: what the message has as its id; happened: what it tells of; next: of the next attempt, null
    when there is none.
    """

    number: int
    id: str
    occasion: str
    about: str
    recipient: RecipientShown
    words: str
    standing: Standing
    attempts: int
    detail: str
    happened: Moment
    planned: Moment
    next: Moment | None
    ended: Moment | None


class DeliveriesShown(Shown):
    """A page of deliveries. next: `after` of the page behind it, null at the end."""

    notices: list[DeliveryShown]
    next: int | None


class TestsShown(Shown):
    """The tests that are under way: look at them again to see whether they arrived."""

    notices: list[DeliveryShown]


class ShiftShown(Shown):
    """Who is on call from when to when."""

    person: str
    start: Moment
    end: Moment


class RotaShown(Shown):
    """Who is on call. complaint: why the file as it is now is not what is shown, "" when it is."""

    shifts: list[ShiftShown]
    complaint: str


def show_delivery(one: Numbered) -> DeliveryShown:
    """Return a delivery as it is answered."""
    number, delivery = one
    notice = delivery.notice
    role, name, way, place, customer = notice.recipient
    is_waiting = delivery.standing is Standing.WAITING
    return DeliveryShown(
        number=number,
        id=delivery.delivery_id,
        occasion=notice.occasion,
        about=f"{notice.subject.kind}:{notice.subject.id}",
        recipient=RecipientShown(role=role, name=name, way=way, place=place, customer=customer),
        words=notice.words,
        standing=delivery.standing,
        attempts=delivery.attempts,
        detail=delivery.detail,
        happened=moment(notice.happened_us),
        planned=moment(delivery.created_us),
        next=moment(delivery.next_us) if is_waiting else None,
        ended=None if delivery.ended_us is None else moment(delivery.ended_us),
    )


class AdminNotices:
    """Handlers over the operator's desk for notices."""

    def __init__(self, desk: NoticeDesk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API."""
        read, test = Permission.NOTICE_READ, Permission.NOTICE_TEST
        get, whole = HTTPMethod.GET, Reach.SERVICE
        page = (AFTER, LIMIT, _ABOUT, _STANDING)
        return [
            Route(get, "/notices", self.list_all, read, whole, DeliveriesShown, query=page),
            Route(get, "/notices/{delivery_number}", self.show, read, whole, DeliveryShown),
            Route(
                HTTPMethod.POST,
                "/notices/tests",
                self.test,
                test,
                whole,
                TestsShown,
                HTTPStatus.ACCEPTED,
                (REASON,),
                NewTest,
            ),
            Route(get, "/oncall", self.turns, read, whole, RotaShown, query=(_DAYS_SHOWN,)),
        ]

    async def list_all(self, request: web.Request) -> web.Response:
        """List what was told by number; `next` is where the next page begins."""
        query = read_query(request, ("after", "limit", "about", "standing"))
        after = whole_number(query, "after", default=0, largest=LARGEST_NUMBER)
        limit = page_limit(query)
        found = await self._desk.list(after, limit, Which(_about(query), _standing(query)))
        more = found[-1].number if len(found) == limit else None
        shown = [show_delivery(one) for one in found]
        return answer(request, DeliveriesShown(notices=shown, next=more))

    async def show(self, request: web.Request) -> web.Response:
        """Show what was told to one recipient, and what became of it."""
        read_query(request, ())
        number = int(request.match_info["delivery_number"])
        return answer(request, show_delivery(await self._desk.show(number)))

    async def test(self, request: web.Request) -> web.Response:
        """Send a test to somebody on the notice board."""
        body = await read_json(request, NewTest)
        begun = await self._desk.test(body.name, cause=read_cause(request))
        write_down(request, "notice.test", to=body.name)
        return answer(request, TestsShown(notices=[show_delivery(one) for one in begun]))

    async def turns(self, request: web.Request) -> web.Response:
        """Show who is on call from now on."""
        query = read_query(request, ("days",))
        days = whole_number(query, "days", default=_DAYS, largest=LARGEST_NUMBER)
        shifts, complaint = await self._desk.turns(days)
        shown = [
            ShiftShown(person=person, start=write_instant(span.start), end=write_instant(span.end))
            for span, person in shifts
        ]
        return answer(request, RotaShown(shifts=shown, complaint=complaint))


_KINDS: tuple[Literal["incident", "maintenance", "report", "test"], ...] = (
    "incident",
    "maintenance",
    "report",
    "test",
)


def _about(query: dict[str, str]) -> tuple[str, str] | None:
    text = query.get("about")
    if text is None:
        return None
    kind, colon, number = text.partition(":")
    if kind not in _KINDS or not colon or not number:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "about is a kind and a number: incident:12")
    return kind, number


def _standing(query: dict[str, str]) -> Standing | None:
    text = query.get("standing")
    if text is None:
        return None
    try:
        return Standing(text)
    except ValueError:
        known = ", ".join(standing.value for standing in Standing)
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"standing is one of {known}") from None
