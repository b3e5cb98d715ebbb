"""The status pages at the prober: kept up to date in memory, and as files for a web server."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import structlog

from server.clock import Clock
from server.probing.pages import probed
from server.probing.standing import Standing
from server.probing.vigil import Local, RecordSpool
from server.status.files import Site, write_all
from server.status.snapshot import Snapshot
from server.status.wire import SnapshotError, read_snapshot

_log = structlog.stdlib.get_logger(__name__)

_KEPT: Final = "snapshot"
_US: Final = 1_000_000

Fetch = Callable[[], Awaitable[bytes | None]]
"""Asks the service for its newest snapshot; None when it has none to give."""


class PageKeeper:
    """Keeps the pages. site: where they are read; directory: None to write no files."""

    def __init__(
        self,
        fetch: Fetch,
        spool: RecordSpool,
        *,
        service: str,
        site: Site,
        directory: Path | None,
        clock: Clock,
    ) -> None:
        self._fetch = fetch
        self._spool = spool
        self._service = service
        self._site = site
        self._directory = directory
        self._clock = clock
        self._complaint = ""
        self._base = _read(spool.get(_KEPT))
        self.documents: Mapping[str, bytes] | None = None
        """The status in all its forms; None before anything was shown."""

    async def fetch(self) -> None:
        """Take the service's newest snapshot, if it has one: it stands when the service is away."""
        octets = await self._fetch()
        text = None if octets is None else octets.decode("utf-8", "replace")
        snapshot = _read(text)
        if text is not None and snapshot is not None:
            self._base = snapshot
            self._spool.put(_KEPT, text)

    def show(self, local: Local | None, standing: Standing, seen_us: int | None) -> None:
        """Show how things are now."""
        try:
            self.documents = self._documents(local, standing, seen_us)
        except (ValueError, LookupError, ArithmeticError) as fault:
            if self._base is None:
                raise
            # In form, and yet nothing that can be shown: it came over a network, and is kept. What
            # was seen here is shown all the same.
            _log.error("snapshot_not_shown", exception=type(fault).__name__)
            self._base = None
            self.documents = self._documents(local, standing, seen_us)
        if self._directory is not None:
            self._write(self._directory, self.documents)

    def _documents(
        self, local: Local | None, standing: Standing, seen_us: int | None
    ) -> Mapping[str, bytes]:
        now_us = self._clock.now_us()
        snapshot = probed(
            self._base,
            service=self._service,
            local=local,
            standing=standing,
            seen_us=seen_us,
            now_us=now_us,
        )
        return write_all(snapshot, now_us // _US, self._site)

    def _write(self, directory: Path, documents: Mapping[str, bytes]) -> None:
        try:
            for name, octets in documents.items():
                _put(directory / name, octets)
        except OSError as error:
            words = f"{error.filename or directory}: {error.strerror}"
            if words != self._complaint:  # said once
                _log.error("status_not_written", error=words)
            self._complaint = words
        else:
            self._complaint = ""


def _put(path: Path, octets: bytes) -> None:
    """Put a file in place at once: whoever reads it has the old one or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(octets)
    fresh.replace(path)


def _read(text: str | None) -> Snapshot | None:
    if text is None:
        return None
    try:
        return read_snapshot(text.encode())
    except SnapshotError:
        return None
