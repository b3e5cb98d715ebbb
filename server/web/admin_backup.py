"""The admin API on backups and the fence: `/api/v1/backups`, `/api/v1/fence`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Protocol

from aiohttp import web
from pydantic import Field

from server.accounts.text import checked_reason
from server.counter_journal.desk import FenceDesk
from server.counter_journal.fence import Fence
from server.journal.acts import Cause, Deed, State, Subject
from server.web.admin_request import ACTOR, PREFIX, Body, read_json, read_query, write_down

_FENCE = PREFIX + "/fence"
_Text = Annotated[str, Field(min_length=1, max_length=4096)]


class _Replay(Body):
    directories: Annotated[list[_Text], Field(min_length=1, max_length=100)]


class _Release(Body):
    reason: _Text


class _Backup(Body):
    id: _Text
    made: _Text
    nodes: dict[str, int | None]


class BackupBook(Protocol):
    """Remembers which backups were made."""

    async def note_backup(self, backup: Mapping[str, object], deed: Deed) -> None:
        """Remember a backup, and forget the oldest."""
        ...


def show_fence(fence: Fence | None) -> dict[str, object]:
    """Return a fence as JSON."""
    if fence is None:
        return {"fenced": False}
    return {
        "fenced": True,
        "backup": fence.backup,
        "made": fence.made,
        "restored": fence.restored,
        "nodes": sorted(fence.nodes),
        "problems": dict(fence.problems),
    }


class AdminBackups:
    """Handlers over the operator's desk at the fence."""

    def __init__(self, desk: FenceDesk, book: BackupBook) -> None:
        self._desk = desk
        self._book = book

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this part of the API."""
        return [
            web.post(PREFIX + "/backups", self.note),
            web.get(_FENCE, self.show, allow_head=False),
            web.post(_FENCE + "/replay", self.replay),
            web.post(_FENCE + "/release", self.release),
        ]

    async def note(self, request: web.Request) -> web.Response:
        """Remember that a backup was made, so that journals before it can go one day."""
        made = await read_json(request, _Backup)
        act = Cause(request[ACTOR]).act("backup.make")
        after: State = {"made": made.made, "nodes": dict(made.nodes)}
        await self._book.note_backup(
            made.model_dump(), Deed(act, Subject("backup", made.id), None, after)
        )
        write_down(request, "backup.made", id=made.id)
        return web.json_response({"noted": True})

    async def show(self, request: web.Request) -> web.Response:
        """Show the fence."""
        read_query(request, ())
        return web.json_response(show_fence(await self._desk.status()))

    async def replay(self, request: web.Request) -> web.Response:
        """Replay the counter journals in directories of this machine."""
        asked = await read_json(request, _Replay)
        done = await self._desk.replay(
            [Path(one) for one in asked.directories], cause=Cause(request[ACTOR])
        )
        return web.json_response({**done._asdict(), "problems": dict(done.problems)})

    async def release(self, request: web.Request) -> web.Response:
        """Lift the fence with a reason."""
        asked = await read_json(request, _Release)
        await self._desk.release(Cause(request[ACTOR], checked_reason(asked.reason)))
        write_down(request, "fence.release")
        return web.json_response({"fenced": False})
