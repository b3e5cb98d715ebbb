"""The status page put together: who reads it from a store, who keeps it, who serves it."""

from contextlib import AsyncExitStack
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from aiohttp import web

from server.clock import Clock
from server.config import Config
from server.foundation import Store
from server.maintenance.watch import MaintenanceWatch
from server.otp.sources import SourceLimiter
from server.status.files import Site
from server.status.ports import SnapshotSource
from server.status.reader import Shown, SnapshotReader
from server.status.watch import StatusWatch
from server.uptime_care import uptime_desk
from server.web.source import SourceReader
from server.web.status import status_app
from server.web.status_pages import StatusPages

_SOURCES = 10_000
"""Addresses whose budgets are remembered; the idlest are forgiven."""


def snapshot_reader(config: Config, store: Store, clock: Clock) -> SnapshotReader:
    """Return what reads the status from a store of this process."""
    shown = Shown(
        service=config.status.name,
        components=config.status.components,
        term_begins=config.status.term_begins,
        zone=ZoneInfo(config.availability.zone),
        min_requests=config.availability.min_requests,
        left_out=frozenset(config.usage.left_out),
    )
    return SnapshotReader(store, uptime_desk(config, store), shown, clock=clock)


async def watch_status(stack: AsyncExitStack, source: SnapshotSource, clock: Clock) -> StatusWatch:
    """Return what this process knows of how things are; it reads until `stack` ends."""
    watch = StatusWatch(source, clock=clock)
    watch.start()
    stack.push_async_callback(watch.close)
    return watch


def served_site(config: Config) -> Site:
    """Return where the service itself serves the page."""
    path = urlsplit(config.status_url).path
    return Site(config.status_url, f"{path}/")


def add_status(
    app: web.Application,
    config: Config,
    *,
    status: StatusWatch,
    maintenance: MaintenanceWatch,
    sources: SourceReader,
    clock: Clock,
) -> None:
    """Serve the status on the verification door's application."""
    pages = StatusPages(
        status,
        served_site(config),
        clock=clock,
        source=sources.of,
        limiter=SourceLimiter(config.limits.source_policy, clock=clock, limit=_SOURCES),
    )
    below = status_app(maintenance)
    pages.add_pages(below)
    app.add_subapp("/status", below)
    pages.add_api(app)
