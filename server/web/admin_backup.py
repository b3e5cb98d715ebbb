"""The admin API on backups and the fence: `/api/v1/backups`, `/api/v1/fence`."""

from collections.abc import Mapping
from http import HTTPMethod
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from aiohttp import web
from pydantic import ConfigDict, Field

from server.accounts.access import Permission
from server.accounts.text import checked_reason
from server.counter_journal.desk import FenceDesk
from server.counter_journal.ports import Place
from server.journal.acts import Cause, Deed, State, Subject
from server.web.admin_request import CALLER, answer, read_json, read_query, write_down
from server.web.json_types import Body, Shown
from server.web.route import Reach, Route

_FENCE = "/fence"
_Text = Annotated[str, Field(min_length=1, max_length=4096)]
# What is noted here stays in the journal for good, and lets counter journals go.
_Name = Annotated[str, Field(pattern=r"^[0-9A-Za-z._-]{1,128}$")]
_Time = Annotated[str, Field(pattern=r"^[0-9T:.Z+-]{1,40}$")]


class _Replay(Body):
    """Directories of the service's machine that hold counter journals."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"directories": ["/mnt/journals"]}]})

    directories: Annotated[list[_Text], Field(min_length=1, max_length=100)]


class _Release(Body):
    """Why the fence is lifted without all journals."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "the disk burnt"}]})

    reason: _Text


class _Backup(Body):
    """A backup that was made. nodes: by name, the entry from which on it lacks some."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"id": "b1", "made": "2026-02-28T12:00:00Z", "nodes": {"n1-0": 7}}]
        }
    )

    id: _Name
    made: _Time
    nodes: Annotated[
        dict[_Name, Annotated[int, Field(ge=0, le=2**62)] | None], Field(max_length=1000)
    ]


class NotedShown(Shown):
    """The backup is remembered. late: nodes that began to serve while it was made."""

    noted: Literal[True] = True
    late: list[str]


class FenceShown(Shown):
    """Whether all keys are fenced since a backup was restored. The rest is null without a fence.

    backup, made: which backup and when it was made; restored: when; nodes: whose journals it waits
    for; problems: by node, what was wrong with its journal when they were replayed last.
    """

    fenced: bool
    backup: str | None = None
    made: str | None = None
    restored: str | None = None
    nodes: list[str] | None = None
    problems: dict[str, str] | None = None


class ReplayedShown(Shown):
    """What a replay read and raised, and whether a fence still stands and why."""

    entries: int
    raised: int
    unknown: list[str]
    unknown_count: int
    problems: dict[str, str]
    stands: bool


class ReleasedShown(Shown):
    """No fence stands."""

    fenced: Literal[False] = False


class BackupBook(Protocol):
    """Remembers which backups were made, and who commits."""

    async def journal_nodes(self) -> Mapping[str, Place]:
        """Return every node that ever committed to this store, or may."""
        ...

    async def note_backup(self, backup: Mapping[str, Any], deed: Deed) -> None:
        """Remember a backup, and forget the oldest."""
        ...


class AdminBackups:
    """Handlers over the operator's desk at the fence."""

    def __init__(self, desk: FenceDesk, book: BackupBook) -> None:
        self._desk = desk
        self._book = book

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API: all about the service as a whole."""
        get, post, service = HTTPMethod.GET, HTTPMethod.POST, Reach.SERVICE
        write, lift = Permission.BACKUP_WRITE, Permission.FENCE_LIFT
        return [
            Route(post, "/backups", self.note, write, service, NotedShown, body=_Backup),
            Route(get, _FENCE, self.show, Permission.FENCE_READ, service, FenceShown),
            Route(
                post, _FENCE + "/replay", self.replay, lift, service, ReplayedShown, body=_Replay
            ),
            Route(
                post, _FENCE + "/release", self.release, lift, service, ReleasedShown, body=_Release
            ),
        ]

    async def note(self, request: web.Request) -> web.Response:
        """Remember that a backup was made, so that journals before it can go one day."""
        made = await read_json(request, _Backup)
        act = Cause(request[CALLER].actor).act("backup.make")
        after: State = {"made": made.made, "nodes": dict(made.nodes)}
        await self._book.note_backup(
            made.model_dump(), Deed(act, Subject("backup", made.id), None, after)
        )
        write_down(request, "backup.made", id=made.id)
        # Read last: who is not here yet finds this backup, and does not begin (safeguards.py).
        late = sorted((await self._book.journal_nodes()).keys() - made.nodes.keys())
        return answer(request, NotedShown(late=late))

    async def show(self, request: web.Request) -> web.Response:
        """Show the fence."""
        read_query(request, ())
        fence = await self._desk.status()
        if fence is None:
            return answer(request, FenceShown(fenced=False))
        shown = FenceShown(
            fenced=True,
            backup=fence.backup,
            made=fence.made,
            restored=fence.restored,
            nodes=sorted(fence.nodes),
            problems=dict(fence.problems),
        )
        return answer(request, shown)

    async def replay(self, request: web.Request) -> web.Response:
        """Replay the counter journals in directories of the service's machine."""
        asked = await read_json(request, _Replay)
        done = await self._desk.replay(
            [Path(one) for one in asked.directories], cause=Cause(request[CALLER].actor)
        )
        write_down(request, "fence.replay", entries=done.entries, raised=done.raised)
        shown = ReplayedShown(
            entries=done.entries,
            raised=done.raised,
            unknown=list(done.unknown),
            unknown_count=done.unknown_count,
            problems=dict(done.problems),
            stands=done.stands,
        )
        return answer(request, shown)

    async def release(self, request: web.Request) -> web.Response:
        """Lift the fence with a reason."""
        asked = await read_json(request, _Release)
        cause = Cause(request[CALLER].actor, checked_reason(asked.reason))
        await self._desk.release(cause)
        write_down(request, "fence.release")
        return answer(request, ReleasedShown())
