"""The admin API on the journal: `/api/v1/journal`."""

from http import HTTPMethod, HTTPStatus
from typing import Any, Literal

from aiohttp import web

from hsm.journalkey import format_public
from server.accounts.access import Permission
from server.journal.checkpoint import key_id_of
from server.journal.desk import JournalDesk
from server.journal.export import end_to_json
from server.journal.ports import Selection
from server.web.admin_request import page_limit, read_query, whole_number
from server.web.json_types import Moment, Shown
from server.web.parameters import AFTER, ID, KIND, LARGEST_NUMBER, LIMIT
from server.web.problems import ProblemError
from server.web.route import Reach, Route


class ActorShown(Shown):
    """Who acted."""

    kind: str
    name: str


class ObjectShown(Shown):
    """What was acted on."""

    kind: str
    id: str


class EntryShown(Shown):
    """An entry of the journal, exactly as its hash covers it."""

    type: Literal["entry"]
    v: Literal[1]
    sequence: int
    time: Moment
    actor: ActorShown
    action: str
    object: ObjectShown
    reason: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    previous: str
    hash: str


class EndShown(Shown):
    """Where the journal ends."""

    type: Literal["end"]
    sequence: int
    hash: str


class EntriesShown(Shown):
    """A page of entries. next: `after` of the page behind it, null at the end."""

    entries: list[EntryShown]
    next: int | None
    end: EndShown


class LatestShown(Shown):
    """The last entries."""

    entries: list[EntryShown]


class CheckpointShown(Shown):
    """A signed word on where the journal ended."""

    type: Literal["checkpoint"]
    v: Literal[1]
    sequence: int
    hash: str
    time: Moment
    key: str
    signature: str


class CheckpointsShown(Shown):
    """A page of checkpoints. next: `after` of the page behind it, null at the end."""

    checkpoints: list[CheckpointShown]
    next: int | None


class PublicKeyShown(Shown):
    """The key that checks checkpoints: its id and PEM."""

    key: str
    public_key: str


class AdminJournal:
    """Handlers over the desk for the journal."""

    def __init__(self, desk: JournalDesk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API."""
        read, service = Permission.JOURNAL_READ, Reach.SERVICE
        get, path = HTTPMethod.GET, "/journal"
        page = (AFTER, LIMIT)
        which = (KIND, ID)
        return [
            Route(get, path, self.list_entries, read, service, EntriesShown, query=page + which),
            Route(
                get,
                path + "/latest",
                self.latest,
                read,
                service,
                LatestShown,
                query=(LIMIT, *which),
            ),
            Route(
                get,
                path + "/checkpoints",
                self.list_checkpoints,
                read,
                service,
                CheckpointsShown,
                query=page,
            ),
            Route(
                HTTPMethod.POST,
                path + "/checkpoints",
                self.checkpoint,
                Permission.JOURNAL_SIGN,
                service,
                CheckpointShown,
                HTTPStatus.CREATED,
            ),
            Route(get, path + "/key", self.show_key, read, service, PublicKeyShown),
            Route(get, path + "/{sequence}", self.show, read, service, EntryShown),
        ]

    async def list_entries(self, request: web.Request) -> web.Response:
        """List entries by number; `next` is where the next page begins, `end` the chain's end."""
        query = read_query(request, ("after", "limit", "kind", "id"))
        after = whole_number(query, "after", default=0, largest=LARGEST_NUMBER)
        limit = page_limit(query)
        # The end first: what it promises must be among the entries that are read after it.
        end = await self._desk.end()
        found = await self._desk.entries(after, limit, _selection(query))
        more = found[-1].sequence if len(found) == limit else None
        entries = [entry.to_json() for entry in found]
        return web.json_response({"entries": entries, "next": more, "end": end_to_json(end)})

    async def latest(self, request: web.Request) -> web.Response:
        """Return the last entries, in order."""
        query = read_query(request, ("limit", "kind", "id"))
        found = await self._desk.latest(page_limit(query), _selection(query))
        return web.json_response({"entries": [entry.to_json() for entry in found]})

    async def show(self, request: web.Request) -> web.Response:
        """Show one entry."""
        read_query(request, ())
        entry = await self._desk.show(int(request.match_info["sequence"]))
        return web.json_response(entry.to_json())

    async def list_checkpoints(self, request: web.Request) -> web.Response:
        """List checkpoints by number; `next` is where the next page begins."""
        query = read_query(request, ("after", "limit"))
        after = whole_number(query, "after", default=0, largest=LARGEST_NUMBER)
        limit = page_limit(query)
        found = await self._desk.checkpoints(after, limit)
        more = found[-1][0] if len(found) == limit else None
        checkpoints = [checkpoint.to_json() for _, checkpoint in found]
        return web.json_response({"checkpoints": checkpoints, "next": more})

    async def checkpoint(self, request: web.Request) -> web.Response:
        """Sign where the journal ends now."""
        read_query(request, ())
        checkpoint = await self._desk.checkpoint()
        return web.json_response(checkpoint.to_json(), status=201)

    async def show_key(self, request: web.Request) -> web.Response:
        """Show the public key that checks this installation's checkpoints."""
        read_query(request, ())
        public_key = self._desk.public_key
        return web.json_response(
            {"key": key_id_of(public_key).hex(), "public_key": format_public(public_key)}
        )


def _selection(query: dict[str, str]) -> Selection:
    kind, name = query.get("kind"), query.get("id")
    if kind is None and name is not None:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "give the kind of thing with its id")
    return Selection(kind, name)
