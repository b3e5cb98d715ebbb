"""The admin API on the status page: what it is made of, for who writes it as files."""

from http import HTTPMethod
from typing import NamedTuple

from aiohttp import web

from server.accounts.access import Permission
from server.status.ports import SnapshotSource
from server.status.snapshot import Snapshot
from server.web.admin_request import read_query
from server.web.json_types import Shown
from server.web.route import JSON, Reach, Route


class StatusPageDesk(NamedTuple):
    """What the page is made of, and where it is (without a slash at the end)."""

    source: SnapshotSource
    url: str


class StatusPageShown(Shown):
    """What the status page is made of. url: where it is; snapshot: all that it shows."""

    url: str
    snapshot: Snapshot


class AdminStatusPage:
    """The route of the status page."""

    def __init__(self, desk: StatusPageDesk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return what can be asked."""
        return [
            Route(
                HTTPMethod.GET,
                "/status-page",
                self.show,
                Permission.STATUS_READ,
                Reach.SERVICE,
                StatusPageShown,
            )
        ]

    async def show(self, request: web.Request) -> web.Response:
        """Show what the status page is made of."""
        read_query(request, ())
        shown = StatusPageShown(
            url=self._desk.url, snapshot=await self._desk.source.status_snapshot()
        )
        return web.Response(body=shown.model_dump_json().encode(), content_type=JSON)
