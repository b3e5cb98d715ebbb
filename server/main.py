"""The composition root: configuration -> storage -> vault -> rooms -> doors.

Four houses are built from the same parts: the whole service in one process, the control
process, a worker, and the admin API for a command while no service runs. Each part receives
what it uses, never the whole.
"""

import ipaddress
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

import structlog

from hsm import keyfile
from hsm.filevault import FileVault
from server.accounts.clients import ClientDesk
from server.clock import Clock, SystemClock
from server.config import Config
from server.datadir import DataDirectory
from server.metrics.counted_store import CountedHotStore
from server.metrics.exposition import Gauge
from server.metrics.tally import Tally
from server.otp.batcher import Batcher
from server.otp.keys import KeyDesk
from server.otp.ports import Directory, HotStore
from server.otp.settings import VerifierSettings
from server.otp.verify import Verifier
from server.storage.identity import bind_sealing_key, bucket_salt
from server.storage.link.connection import Link
from server.storage.link.desk import StoreDesk
from server.storage.link.remote import RemoteStore
from server.storage.postgres.store import PostgresStore, open_postgres
from server.storage.sqlite.store import SqliteStore, open_sqlite
from server.web.guard import Caps
from server.web.runner import Serving, serve
from server.web.source import SourceReader
from server.web.verify import verify_app

Store: TypeAlias = SqliteStore | PostgresStore


class Workforce(Protocol):
    """What the operations door shows of the workers."""

    restarts: int

    @property
    def ready_workers(self) -> int:
        """How many workers accept requests now."""
        ...


class Foundation(NamedTuple):
    """What every house that owns a store stands on."""

    store: Store
    vault: FileVault
    key_id: bytes
    salt: bytes


class Verifying:
    """A verification door that is open. drain: finish what was accepted, then close."""

    def __init__(self, door: Serving, batcher: Batcher) -> None:
        self._door = door
        self._batcher = batcher

    async def drain(self) -> None:
        """Stop accepting, finish what was accepted."""
        await self._door.stop()
        await self._batcher.close()
