"""The pumps of an installation's HSMs, and room in their logs before anything is asked of them.

A device that must log and cannot refuses to unwrap the data keys. Whoever starts therefore carries
a log away that is nearly full, before the pumps of a running service do: every start writes into
it, and an installation that is only ever administered by commands has no other pump.
"""

import os
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NamedTuple, Protocol

import structlog

from hsm import journalkey
from hsm.audit.finding import Kind
from hsm.audit.rules import Rules
from hsm.audit.source import AuditedDevice
from hsm.vault import VaultError
from server.clock import Clock
from server.datadir import DataDirectory
from server.hsm_log.alarms import Alarms
from server.hsm_log.ports import HsmLogBook
from server.hsm_log.pump import MARK, LogPump
from server.jobs.hsm_log import PumpJob
from server.leases import LeaseBook, LeaseLostError
from server.node_name import installation

if TYPE_CHECKING:
    from server.hsm_host import HsmHost

_LEASE_US = 30_000_000

_log = structlog.stdlib.get_logger(__name__)


class LogStore(HsmLogBook, LeaseBook, Protocol):
    """A store, as far as logs need it."""


class DevicePump(NamedTuple):
    """A device's pump. device: names it in the lease, the same on every machine that reaches it."""

    pump: LogPump
    device: str


def log_pumps(
    hsm: "HsmHost",
    data: DataDirectory,
    book: HsmLogBook,
    clock: Clock,
    count: Callable[[Kind], None],
) -> list[DevicePump]:
    """Return a pump for each device, which the caller closes. Raises PrivateFileError.

    count: called for every alarm.
    """
    node = installation(data)
    alarms = Alarms(count)
    signer = journalkey.load(data.journal_key_file)
    rules = Rules.of(hsm.manifest, boots=hsm.is_embedded)
    return [
        DevicePump(
            LogPump(
                AuditedDevice(device, hsm.login("auditor")),
                folder=data.hsm_log,
                signer=signer,
                rules=rules,
                book=book,
                node=node,
                clock=clock,
                alarms=alarms,
            ),
            # Every machine that reaches a device by this address takes turns at it.
            node if hsm.is_embedded else device.where,
        )
        for device in hsm.devices.all
    ]


async def make_room(hsm: "HsmHost", data: DataDirectory, store: LogStore, clock: Clock) -> None:
    """Carry away the logs that are nearly full; what fails is told, and shows when it matters."""
    if not data.journal_key_file.exists():
        journalkey.create(data.journal_key_file)
    async with AsyncExitStack() as stack:
        for pump, device in log_pumps(hsm, data, store, clock, lambda _: None):
            stack.push_async_callback(pump.close)
            try:
                await _empty(pump, PumpJob(pump, device).job.name, store)
            except (VaultError, LeaseLostError) as error:
                _log.warning("hsm_log_not_read", error=str(error))


async def _empty(pump: LogPump, name: str, store: LeaseBook) -> None:
    if (await pump.look()).entries < MARK:
        return
    lease = await store.acquire_lease(name, f"{socket.gethostname()}/{os.getpid()}", _LEASE_US)
    if lease is None:
        return  # another machine is at it
    try:
        await pump.turn(lease, now=True)
    finally:
        await store.rest_lease(lease)
