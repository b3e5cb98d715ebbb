"""The admin API for moving: `/api/v1/imports` and `/api/v1/exports`.

An import is one request, so that whoever ends the connection ends the import. Its body is the
files in pieces, each behind a line `FILE OCTETS`, in any order of files, and a last line `end`;
without that line nothing is imported. The answer to files that can be taken is lines of JSON:
how far it is, then what was done.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from http import HTTPMethod, HTTPStatus
from typing import Literal

import structlog
from aiohttp import web

from server.accounts.access import Permission
from server.journal.acts import Cause
from server.moving.desk import MovingDesk
from server.moving.imports import Import
from server.moving.ports import AbandonedError, File
from server.otp.ports import StoreUnavailableError
from server.web.admin_request import (
    ADMISSION,
    CALLER,
    answer,
    cause_of,
    read_query,
    write_down,
)
from server.web.faults import describe_fault
from server.web.json_types import Shown
from server.web.parameters import DRY_RUN, REASON, WITH_SECRETS
from server.web.problems import ProblemError
from server.web.route import Reach, Route

MAX_PIECE = 256 * 1024
"""Octets of a piece; a piece ends where a line does."""

_MAX_HEADER = 64
_PIECE_S = 600.0
"""How long the next piece may take: somebody may have to type a passphrase for it. All of them
together have the time that the desk gives."""

_MAX_OCTETS = 3 << 30
"""Of all pieces: they are gathered beside the store, on its disk."""

_TOLD_EVERY_S = 0.25
_END = b"end\n"
_LINES = "application/x-ndjson"
_CSV = "text/csv"

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)
_Translate = Callable[[Exception], ProblemError]


class ImportLineShown(Shown):
    """A line of an import's answer: how far it is, what was done, or why nothing was.

    done, of: rows; imported, files, errors, errors_total: the last line of a good end, or the only
    one of a dry run; status, problem: the last line of a bad end.
    """

    done: int | None = None
    of: int | None = None
    imported: bool | None = None
    files: dict[str, dict[str, int]] | None = None
    errors: list[dict[str, str | int]] | None = None
    errors_total: int | None = None
    status: int | None = None
    problem: str | None = None


class ImportEndedShown(Shown):
    """The import that was waiting for its files is ended."""

    ended: Literal[True] = True


class AdminMoving:
    """Handlers over the operator's desk for moving. translate: makes a problem of a fault."""

    def __init__(self, desk: MovingDesk, *, translate: _Translate) -> None:
        self._desk = desk
        self._translate = translate

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API: keys and clients of the whole service."""
        return [
            Route(
                HTTPMethod.POST,
                "/imports",
                self.import_,
                Permission.MOVING_IMPORT,
                Reach.SERVICE,
                ImportLineShown,
                query=(DRY_RUN, REASON),
                upload="application/x-keystead-import",
                media=_LINES,
            ),
            Route(
                HTTPMethod.DELETE,
                "/imports",
                self.end_import,
                Permission.MOVING_IMPORT,
                Reach.SERVICE,
                ImportEndedShown,
            ),
            Route(
                HTTPMethod.GET,
                "/exports/{file}",
                self.export,
                Permission.MOVING_EXPORT,
                Reach.SERVICE,
                None,
                query=(WITH_SECRETS, REASON),
                media=_CSV,
            ),
        ]

    async def import_(self, request: web.Request) -> web.StreamResponse:
        """Import files of the reference server: all of them, or nothing and the lines at fault."""
        query = read_query(request, ("dry_run", "reason"))
        dry_run, cause = _flag(query, "dry_run"), cause_of(request, query)
        try:
            return await self._import(request, cause, dry_run=dry_run)
        except StoreUnavailableError as error:
            raise _undone(error) from error

    async def _import(
        self, request: web.Request, cause: Cause, *, dry_run: bool
    ) -> web.StreamResponse:
        async with self._desk.importing() as importing:
            async with self._desk.receiving():
                await _read_files(request, importing)
            report = await importing.check()
            if report.fault_count:
                raise ProblemError(
                    HTTPStatus.UNPROCESSABLE_ENTITY,
                    f"{report.fault_count} lines cannot be imported; nothing was changed",
                    more=report.as_json(),
                )
            if dry_run:
                said = _line({"imported": False, **report.as_json()})
                return web.Response(body=said, content_type=_LINES)
            # Files take long to come: whoever sends them must still be allowed to, now.
            await request[ADMISSION].again()
            return await self._activate(request, importing, cause)

    async def _activate(
        self, request: web.Request, importing: Import, cause: Cause
    ) -> web.StreamResponse:
        said = web.StreamResponse()
        said.content_type = _LINES
        await said.prepare(request)
        loop = asyncio.get_running_loop()
        next_at = loop.time()

        async def tell(done: int) -> None:
            nonlocal next_at
            if request.transport is None or request.transport.is_closing():
                raise AbandonedError
            if loop.time() >= next_at:
                next_at = loop.time() + _TOLD_EVERY_S
                try:
                    await said.write(_line({"done": done, "of": importing.rows}))
                except ConnectionError as error:
                    raise AbandonedError from error

        try:
            await tell(0)
            await importing.activate(tell, cause=cause)
        except AbandonedError:
            write_down(request, "import.abandoned")
            return said
        except Exception as fault:  # noqa: BLE001 - the answer has begun: its last line says it
            undone = isinstance(fault, StoreUnavailableError)
            problem = _undone(fault) if undone else self._translate(fault)
            await said.write(_line({"status": problem.status.value, "problem": problem.detail}))
        else:
            report = importing.report.as_json()
            write_down(request, "import", files=report["files"])
            await said.write(_line({"imported": True, **report}))
        await said.write_eof()
        return said

    async def end_import(self, request: web.Request) -> web.Response:
        """End an import that waits for its files, whoever began it; nothing of it is imported."""
        read_query(request, ())
        self._desk.end_import(request[CALLER].actor)
        write_down(request, "import.end")
        return answer(request, ImportEndedShown())

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Send a file in the reference's format. Keys and clients have secrets in the clear."""
        file = File(request.match_info["file"])
        query = read_query(request, ("with_secrets", "reason"))
        cause = cause_of(request, query)
        if not _flag(query, "with_secrets") and file is not File.COUNTERS:
            raise ProblemError(
                HTTPStatus.BAD_REQUEST,
                f"the {file} hold secrets in the clear: say with_secrets=yes if you mean it",
            )
        async with aclosing(self._desk.export(file, cause=cause)) as pieces:
            if file is File.CLIENTS:
                # A client that cannot be written is refused before anything is sent.
                text = "".join([piece async for piece in pieces])
                write_down(request, "export", file=file.value)
                return web.Response(text=text, content_type=_CSV)
            # The journal's entry is written before the first piece comes; only then it is sent.
            first = await anext(pieces)
            write_down(request, "export", file=file.value)
            return await _send(request, first, pieces)


def _undone(fault: Exception) -> ProblemError:
    """Say what the store said: a full disk is the operator's to mend."""
    _log.error("administration_failed", **describe_fault(fault))
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE, f"the store failed, and nothing was imported: {fault}"
    )


async def _send(request: web.Request, first: str, pieces: AsyncIterator[str]) -> web.StreamResponse:
    sent = web.StreamResponse()
    sent.content_type = _CSV
    sent.charset = "utf-8"
    await sent.prepare(request)
    try:
        await sent.write(first.encode())
        async for piece in pieces:
            await sent.write(piece.encode())
    except Exception as fault:  # noqa: BLE001 - half a file must not look like a whole one
        _log.error("administration_fault", **describe_fault(fault))
        if request.transport is not None:
            request.transport.abort()
        return sent
    await sent.write_eof()
    return sent


async def _read_files(request: web.Request, importing: Import) -> None:
    """Feed all pieces to the import; ProblemError when the body is not what it should be."""
    left = _MAX_OCTETS
    try:
        while (header := await _header(request)) != _END:
            file, size = _piece_header(header)
            left -= size + len(header)
            if left < 0:
                raise ProblemError(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"the files are larger than {_MAX_OCTETS:,} octets together; nothing was"
                    " imported. Import them in parts",
                )
            async with asyncio.timeout(_PIECE_S):
                piece = await request.content.readexactly(size)
            await importing.read(file, piece)
    except TimeoutError:
        raise ProblemError(
            HTTPStatus.REQUEST_TIMEOUT, f"nothing came for {_PIECE_S:g} s; nothing was imported"
        ) from None
    except (ValueError, EOFError, ConnectionError, web.RequestPayloadError):
        # The cause may quote the body, secrets and all.
        raise ProblemError(
            HTTPStatus.BAD_REQUEST,
            "the body must be pieces, each behind a line `FILE OCTETS`, and a line `end`;"
            " nothing was imported",
        ) from None


async def _header(request: web.Request) -> bytes:
    async with asyncio.timeout(_PIECE_S):
        header = await request.content.readline()
    if len(header) > _MAX_HEADER or not header.endswith(b"\n"):
        raise ValueError("no header")
    return header


def _piece_header(header: bytes) -> tuple[File, int]:
    name, _, octets = header.decode("ascii").rstrip("\n").partition(" ")
    if not 0 <= int(octets) <= MAX_PIECE:
        raise ValueError("a piece is too large")
    return File(name), int(octets)


def _flag(query: dict[str, str], name: str) -> bool:
    value = query.get(name, "no")
    if value not in {"yes", "no"}:
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"{name} is yes or no")
    return value == "yes"


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"
