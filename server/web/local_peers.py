"""Who asks on the Unix socket: the kernel knows which user connected.

Only the service's own user and root get in, as admins: the socket's mode keeps others out, and
whoever is one of these two could read the store anyway.
"""

import asyncio
import os
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeAlias

import structlog
from aiohttp import web

from server.accounts.access import Caller, Role
from server.local_users import local_actor
from server.web.peer import peer_uid
from server.web.problems import ProblemError

_ROOT = 0
_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

Identify: TypeAlias = Callable[[asyncio.BaseTransport | None], int | None]
"""Tells a connection's user id."""


class LocalPeers:
    """Authenticates by peer credentials."""

    def __init__(self, identify: Identify = peer_uid) -> None:
        self._identify = identify
        self._allowed = frozenset({_ROOT, os.geteuid()})

    async def __call__(self, request: web.Request) -> Caller:
        """Return the local user, or refuse."""
        uid = self._identify(request.transport)
        if uid is None or uid not in self._allowed:
            _log.warning("administration_denied", uid=uid)
            raise ProblemError(
                HTTPStatus.FORBIDDEN, "only root and the user of this service may administer it"
            )
        return Caller(local_actor(uid), Role.ADMIN)
