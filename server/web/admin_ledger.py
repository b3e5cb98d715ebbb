"""The admin API on the ledger: `/api/v1/ledger`, which availability is proved with."""

from http import HTTPMethod, HTTPStatus
from typing import Any, Literal

from aiohttp import web

from server.accounts.access import Permission
from server.journal.export import end_to_json
from server.ledger.desk import LedgerDesk
from server.web.admin_journal import EndShown
from server.web.admin_request import page_limit, read_cause, read_query, whole_number
from server.web.json_types import Moment, Shown
from server.web.parameters import AFTER, LARGEST_NUMBER, LIMIT, REASON
from server.web.route import Reach, Route

_ONE = "/ledger/{sequence}"


class PayloadShown(Shown):
    """A payload with the salt of its digest."""

    salt: str
    value: dict[str, Any]


class LedgerEntryShown(Shown):
    """An entry of the ledger. digest: of its payload, which is null once it was erased."""

    type: Literal["ledger-entry"]
    v: Literal[1]
    sequence: int
    time: Moment
    kind: str
    subject: str
    digest: str
    previous: str
    hash: str
    payload: PayloadShown | None


class LedgerEntriesShown(Shown):
    """A page of entries. next: `after` of the page behind it, null at the end."""

    entries: list[LedgerEntryShown]
    next: int | None
    end: EndShown


class LedgerCheckpointShown(Shown):
    """A signed word on where the ledger ended."""

    type: Literal["ledger-checkpoint"]
    v: Literal[1]
    sequence: int
    hash: str
    time: Moment
    key: str
    signature: str


class LedgerCheckpointsShown(Shown):
    """A page of checkpoints. next: `after` of the page behind it, null at the end."""

    checkpoints: list[LedgerCheckpointShown]
    next: int | None


class AdminLedger:
    """Handlers over the desk for the ledger."""

    def __init__(self, desk: LedgerDesk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API."""
        read, whole, page = Permission.JOURNAL_READ, Reach.SERVICE, (AFTER, LIMIT)
        get, path = HTTPMethod.GET, "/ledger/checkpoints"
        return [
            Route(get, "/ledger", self.list_entries, read, whole, LedgerEntriesShown, query=page),
            Route(
                get, path, self.list_checkpoints, read, whole, LedgerCheckpointsShown, query=page
            ),
            Route(
                HTTPMethod.POST,
                path,
                self.checkpoint,
                Permission.JOURNAL_SIGN,
                whole,
                LedgerCheckpointShown,
                HTTPStatus.CREATED,
            ),
            Route(get, _ONE, self.show, read, whole, LedgerEntryShown),
            Route(
                HTTPMethod.POST,
                _ONE + "/erase",
                self.erase,
                Permission.LEDGER_ERASE,
                whole,
                LedgerEntryShown,
                query=(REASON,),
            ),
        ]

    async def list_entries(self, request: web.Request) -> web.Response:
        """List entries by number; `next` is where the next page begins, `end` the chain's end."""
        query = read_query(request, ("after", "limit"))
        after = whole_number(query, "after", default=0, largest=LARGEST_NUMBER)
        limit = page_limit(query)
        # The end first: what it promises must be among the entries that are read after it.
        end = await self._desk.end()
        found = await self._desk.entries(after, limit)
        more = found[-1].sequence if len(found) == limit else None
        entries = [entry.to_json() for entry in found]
        return web.json_response({"entries": entries, "next": more, "end": end_to_json(end)})

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
        """Sign where the ledger ends now."""
        read_query(request, ())
        checkpoint = await self._desk.checkpoint()
        return web.json_response(checkpoint.to_json(), status=HTTPStatus.CREATED)

    async def erase(self, request: web.Request) -> web.Response:
        """Erase the payload of an entry for good. The chain stays whole."""
        cause = read_cause(request)
        entry = await self._desk.erase(int(request.match_info["sequence"]), cause=cause)
        return web.json_response(entry.to_json())
