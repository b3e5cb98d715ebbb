"""The admin API on usage: what was answered, of one client and of all."""

from datetime import datetime
from http import HTTPMethod, HTTPStatus

from aiohttp import web
from pydantic import Field

from server.accounts.access import Permission
from server.accounts.clients import ClientDesk
from server.usage.desk import RangeError, Step, Usage, UsageDesk
from server.usage.kinds import KINDS, sums
from server.usage.ports import Slot
from server.web.admin_request import answer, moment, read_query
from server.web.json_types import Moment, Shown, in_utc
from server.web.parameters import FROM, STEP, TO
from server.web.problems import ProblemError
from server.web.route import Reach, Route

_QUERY = (FROM, TO, STEP)
_MINUTE_US = 60_000_000


class AnsweredShown(Shown):
    """Answers. good, bad, excluded: what they say about the service; kinds: those there were."""

    good: int
    bad: int
    excluded: int
    kinds: dict[str, int]


class SlotShown(AnsweredShown):
    """Answers in one step of the range. time: its beginning."""

    time: Moment


class AnsweredUsageShown(AnsweredShown):
    """Answers in a range; steps without any are left out. client: null for all together."""

    client: int | None
    start: Moment = Field(serialization_alias="from", validation_alias="from")
    end: Moment = Field(serialization_alias="to", validation_alias="to")
    step: Step
    steps: list[SlotShown]


class AdminUsage:
    """Handlers over the desk for usage. clients: knows who there is."""

    def __init__(self, desk: UsageDesk, clients: ClientDesk) -> None:
        self._desk = desk
        self._clients = clients

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API."""
        get, shown = HTTPMethod.GET, AnsweredUsageShown
        read, status = Permission.CLIENT_READ, Permission.STATUS_READ
        path = "/clients/{client_id}/usage"
        return [
            Route(get, "/usage", self.of_all, status, Reach.SERVICE, shown, query=_QUERY),
            Route(get, path, self.of_client, read, Reach.CLIENT, shown, query=_QUERY),
        ]

    async def of_all(self, request: web.Request) -> web.Response:
        """Show what all clients together were answered, without those left out as probers."""
        return answer(request, _show(None, await self._desk.of_all(*_asked(request))))

    async def of_client(self, request: web.Request) -> web.Response:
        """Show what one client was answered, minute by minute or added up."""
        asked = _asked(request)
        client_id = int(request.match_info["client_id"])
        await self._clients.show(client_id)  # or there is none
        return answer(request, _show(client_id, await self._desk.of_client(client_id, *asked)))


def _asked(request: web.Request) -> tuple[datetime | None, datetime | None, Step]:
    query = read_query(request, [parameter.name for parameter in _QUERY])
    step = query.get("step", Step.HOUR)
    if step not in set(Step):
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"step must be one of {', '.join(Step)}")
    return _moment(query, "from"), _moment(query, "to"), Step(step)


def _moment(query: dict[str, str], name: str) -> datetime | None:
    text = query.get(name)
    if text is None:
        return None
    refusal = RangeError(f"{name} must be a time with its offset, as in 2026-02-28T12:00:00Z")
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            return in_utc(time)
    except ValueError:
        raise refusal from None
    raise refusal


def _show(client_id: int | None, usage: Usage) -> AnsweredUsageShown:
    return AnsweredUsageShown.model_validate(
        {
            "client": client_id,
            "from": _minute(usage.first),
            "to": _minute(usage.end),
            "step": usage.step,
            **_answered(usage.counts),
            "steps": [_slot(slot) for slot in usage.slots],
        }
    )


def _slot(slot: Slot) -> dict[str, object]:
    return {"time": _minute(slot.start), **_answered(slot.counts)}


def _answered(counts: tuple[int, ...]) -> dict[str, object]:
    kinds = {kind: count for kind, count in zip(KINDS, counts, strict=True) if count}
    return {**sums(counts)._asdict(), "kinds": kinds}


def _minute(minute: int) -> str:
    return moment(minute * _MINUTE_US)
