"""The doors, each with the rooms behind it: verification, administration, operations."""

import asyncio
import contextlib
import ipaddress
import os
import secrets
import socket
from collections import ChainMap, Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, NamedTuple, Protocol
from zoneinfo import ZoneInfo

import structlog
from aiohttp import web

from hsm.vault import Vault
from server.accounts.clients import ClientDesk
from server.accounts.customers import CustomerDesk
from server.accounts.operators import OperatorDesk
from server.advisory_care import judge_keys, open_shelf, watch_shelf
from server.clock import Clock
from server.config import Config
from server.counter_journal.hot_stores import FenceWatch
from server.fleet.advisory_desk import AdvisoryDesk
from server.fleet.desk import FleetDesk
from server.fleet.holder_desk import HolderDesk
from server.fleet.roots_desk import RootsDesk
from server.fleet.shelf import Shelf
from server.fleet_care import fleet_jobs, fleet_retention_desk
from server.fleet_door import fleet_families, keep_identity, open_fleet_door
from server.fleet_page_door import add_fleet_pages, fleet_page_families
from server.fleet_watch import watch_fleet
from server.foundation import Foundation
from server.hsm_care import HsmCare
from server.incident_care import incident_desk, incident_job, watch_redundancy
from server.jobs.resealing import watch_rotation
from server.jobs.runner import JobRunner, run_jobs
from server.jobs.standing import (
    facts_pruning,
    journal_checkpoint,
    ledger_checkpoint,
    ledger_pruning,
    probe_pruning,
    usage_pruning,
)
from server.maintenance.desk import MaintenanceDesk
from server.maintenance.ports import MaintenanceSource
from server.maintenance.watch import MaintenanceWatch
from server.metrics.exposition import Families, Gauge, metrics_registry
from server.metrics.tally import Tally
from server.moving.desk import MovingDesk
from server.notice_care import notice_families, notice_jobs, open_dispatcher
from server.notices.acknowledging import AcknowledgementSource
from server.notices.board_file import BoardFile
from server.notices.desk import NoticeDesk
from server.otp.batcher import Batcher
from server.otp.decrypter import Decrypter
from server.otp.keys import KeyDesk
from server.otp.opener import OtpOpener
from server.otp.ports import Directory
from server.otp.settings import VerifierSettings
from server.otp.verify import Verifier
from server.probing.desk import ProbeDesk
from server.provisioning.desk import MintingDesk
from server.reading import workbench
from server.report_care import (
    analysis_desk,
    customer_report_desk,
    report_jobs,
    report_mail_desk,
)
from server.resealing.desk import VaultDesk
from server.resealing.rotator import Rotator
from server.rotation_keys import RoomKeys
from server.safeguards import fence_desk
from server.status.watch import StatusWatch
from server.status_door import add_status, snapshot_reader
from server.tlsfiles import Handed, TlsFiles
from server.uptime_care import kept_payloads, uptime_desk, uptime_jobs
from server.usage.clerk import UsageClerk
from server.usage.counter import UsageCounter
from server.usage.desk import UsageDesk
from server.usage.ports import UsageSink
from server.web.acknowledge import AcknowledgePages
from server.web.admin import Desks, admin_app
from server.web.admin_status_page import StatusPageDesk
from server.web.bearers import Bearers
from server.web.decrypt import Admitted, DecryptDoor
from server.web.guard import Caps
from server.web.local_peers import LocalPeers
from server.web.lockout import Lockout
from server.web.loop_lag import watch_loop_lag
from server.web.ops import Check, NotReadyError, ops_app
from server.web.runner import Serving, serve
from server.web.security_txt import PATH as SECURITY_TXT
from server.web.security_txt import SecurityTxt
from server.web.source import SourceReader
from server.web.verify import verify_app

if TYPE_CHECKING:
    from server.web.certificate import ServedCertificate

try:
    VERSION = version("keystead")
except PackageNotFoundError:  # run from a tree that was not installed
    VERSION = "unknown"


_ROTATE_AGAIN_S = 30.0
"""When a rotation that could not go on is tried again."""

_ADMIN_CONNECTIONS = 256
"""Operators and their programs are few."""


class Workforce(Protocol):
    """What the operations door shows of the workers."""

    @property
    def restarts(self) -> int:
        """How many workers were replaced since the start."""
        ...

    @property
    def ready_workers(self) -> int:
        """How many workers accept requests now."""
        ...


async def open_verify_door(
    *,
    config: Config,
    batches: Batcher,
    directory: Directory,
    vault: Vault,
    salt: bytes,
    tally: Tally,
    clock: Clock,
    listener: socket.socket,
    certificate: "ServedCertificate | None",
    security_txt: SecurityTxt | None,
    usage: UsageCounter | None,
    maintenance: MaintenanceWatch,
    status: StatusWatch,
    acknowledgements: AcknowledgementSource | None,
) -> Serving:
    """Build the verification room and open its door."""
    verifier = Verifier(
        directory=directory,
        batcher=batches,
        vault=vault,
        clock=clock,
        log=structlog.stdlib.get_logger("server.otp"),
        salt=salt,
        settings=VerifierSettings(
            deadline_s=config.verify.deadline_seconds,
            guaranteed_sync_level=config.store.sync_level,
            source_rate=config.limits.source_policy,
            clients=config.verify.clients_cached,
            keys=config.verify.keys_cached,
        ),
    )
    sources = SourceReader([ipaddress.ip_network(n) for n in config.limits.trusted_proxies])
    app = verify_app(
        verifier,
        tally=tally,
        clock=clock,
        sources=sources,
        usage=usage,
        legacy=config.verify.legacy,
        body_s=config.http.body_seconds,
    )
    if acknowledgements is not None:
        pages = AcknowledgePages(acknowledgements, sources, clock, body_s=config.http.body_seconds)
        pages.register(app)
    add_status(app, config, status=status, maintenance=maintenance, sources=sources, clock=clock)
    if security_txt is not None:
        app.router.add_get(SECURITY_TXT, security_txt.answer)
    if config.verify.decrypt != "off":
        opener = OtpOpener(directory, vault, limit=config.verify.ciphers_cached)
        mutual = config.verify.decrypt == "mutual-tls"
        admitted = Admitted.MUTUAL_TLS if mutual else Admitted.LOOPBACK
        app.add_routes(DecryptDoor(Decrypter(opener), sources, admitted=admitted).routes())
    grace_s = config.http.drain_seconds
    return await serve(
        app, [listener], tally=tally, caps=_caps(config), grace_s=grace_s, tls=certificate
    )


def _caps(config: Config) -> Caps:
    return Caps(
        handshake_s=config.http.handshake_seconds,
        head_s=config.http.header_seconds,
        idle_s=config.http.idle_seconds,
        write_s=config.http.write_seconds,
        connections=config.http.connections,
    )


class Doors(NamedTuple):
    """Sockets for the doors of a process that owns the store.

    remote: admin's over HTTPS; fleet: for endpoint agents; hsm: the embedded HSM's, for other
    processes of this service.
    """

    admin: socket.socket
    ops: socket.socket
    remote: socket.socket | None = None
    fleet: socket.socket | None = None
    hsm: socket.socket | None = None


async def open_desks(
    config: Config,
    base: Foundation,
    clock: Clock,
    board: BoardFile | None,
    shelf: Shelf | None = None,
) -> Desks:
    """Return what is administered, at whatever admin door. shelf: of this process, if it has one.

    ConfigError for a file of health rules with faults.
    """
    shelf = shelf or await open_shelf(config, base.store)

    async def status() -> dict[str, object]:
        return {
            "version": VERSION,
            "pid": os.getpid(),
            "environment": config.environment,
            "store": "sqlite" if config.store.is_sqlite else "postgresql",
            "workers": config.workers,
            "sealing_key": base.keys.active_key,
        }

    policy = config.limits.default_policy
    data = base.data
    vault = base.keys.vault
    bench = partial(workbench, partial(base.keys.hand, seals=True), data.imports)
    return Desks(
        clients=ClientDesk(base.store, vault, clock=clock, default_policy=policy),
        customers=CustomerDesk(base.store),
        operators=OperatorDesk(base.store, clock=clock),
        keys=KeyDesk(base.store, vault),
        minting=MintingDesk(base.store, vault, base.keys.draw),
        moving=MovingDesk(base.store, vault, bench),
        journal=base.journal,
        ledger=base.ledger,
        fence=await fence_desk(base.store),
        backups=base.store,
        usage=UsageDesk(base.store, frozenset(config.usage.left_out)),
        vault=VaultDesk(base.store, room_keys(config, base), base.keys.progress),
        uptime=uptime_desk(config, base.store),
        zone=ZoneInfo(config.availability.zone),
        maintenance=MaintenanceDesk(base.store, notice_s=config.maintenance.notice_seconds),
        probes=ProbeDesk(
            base.store, base.store, base.store, notice_s=config.maintenance.notice_seconds
        ),
        incidents=incident_desk(config, base),
        status_page=StatusPageDesk(snapshot_reader(config, base.store, clock), config.status_url),
        notices=NoticeDesk(base.store, board),
        analyses=analysis_desk(config, base),
        customer_reports=customer_report_desk(
            config,
            base,
            ClientDesk(base.store, vault, clock=clock, default_policy=policy),
            VERSION,
        ),
        report_mail=report_mail_desk(config, base, clock, board, VERSION),
        fleet=FleetDesk(base.store, shelf, clock=clock),
        holders=HolderDesk(base.store, plain=config.fleet.serial == "plain"),
        advisories=AdvisoryDesk(base.store, base.store, shelf),
        roots=RootsDesk(base.store, config.fleet.trusted_attestation_keys),
        fleet_retention=fleet_retention_desk(config, base.store),
        status=status,
    )


def room_keys(config: Config, base: Foundation) -> RoomKeys:
    """Return the keys of this installation as re-sealing sees them."""
    return RoomKeys(base.keys, base.data, config, alone=config.store.is_sqlite)


async def build_admin_app(
    config: Config, base: Foundation, clock: Clock, board: BoardFile | None
) -> web.Application:
    """Wire the operator's desks to the admin door of this host's users."""
    return admin_app(await open_desks(config, base, clock, board), LocalPeers())


async def open_remote_door(
    stack: AsyncExitStack,
    config: Config,
    desks: Desks,
    clock: Clock,
    *,
    listener: socket.socket,
    tally: Tally,
) -> None:
    """Open the admin door over HTTPS, for who comes with a token. TlsError."""
    admin = config.admin
    bearers = Bearers(
        desks.operators,
        lockout=Lockout(attempts=admin.wrong_tokens, lockout_s=admin.lockout_seconds, clock=clock),
        sources=SourceReader([ipaddress.ip_network(n) for n in config.limits.trusted_proxies]),
    )
    certificate = serve_certificate(stack, config.admin_files, clock, tally)
    caps = _caps(config)._replace(connections=_ADMIN_CONNECTIONS)
    app = admin_app(desks, bearers)
    door = await serve(app, [listener], tally=tally, caps=caps, tls=certificate)
    stack.push_async_callback(door.stop)


async def open_side_doors(
    stack: AsyncExitStack,
    config: Config,
    base: Foundation,
    clock: Clock,
    *,
    doors: Doors,
    tallies: Mapping[str, Tally],
    workforce: Workforce,
    fence: FenceWatch,
    to_reseal: Callable[[], float],
    hsm: HsmCare,
    board: BoardFile | None,
    jobs: Sequence[Families],
    certificate: "ServedCertificate | None",
) -> None:
    """Open the admin door and the operations door; `stack` closes them.

    jobs: what is to be seen of them.
    """

    async def workers_accept() -> None:
        if workforce.ready_workers == 0:
            raise NotReadyError("no worker accepts requests")

    async def no_fence() -> None:
        if await fence.still_stands():
            raise NotReadyError(
                "all keys are fenced since a backup was restored: keystead fence status"
            )

    gauges = [
        Gauge("keystead_fenced", "1 while all keys are fenced.", lambda: fence.stands),
        Gauge("keystead_workers_ready", "Workers that accept.", lambda: workforce.ready_workers),
        Gauge("keystead_records_to_reseal", "Records a rotation has left to do.", to_reseal),
        Gauge("keystead_worker_restarts", "Workers replaced.", lambda: workforce.restarts),
    ]
    checks: dict[str, Check] = {
        "store": base.store.probe,
        "workers": workers_accept,
        "fence": no_fence,
    }
    watch_redundancy(
        stack,
        config,
        base,
        clock,
        workers=lambda: workforce.ready_workers,
        hsms=lambda: hsm.standing,
    )
    shelf = await open_shelf(config, base.store)
    watch_shelf(stack, base.store, shelf)
    judge_keys(stack, base.store, shelf, clock)
    # The same for both doors: there is one import at a time, whoever sends it.
    desks = await open_desks(config, base, clock, board, shelf)
    if doors.remote is not None:
        # Counts of its own, so that its certificate's expiry is watched beside the other one's.
        tallies = {**tallies, "admin": Tally.in_memory()}
        await open_remote_door(
            stack, config, desks, clock, listener=doors.remote, tally=tallies["admin"]
        )
    families = [hsm.families, *jobs]
    identity = await keep_identity(stack, base.store, base.keys, needed=doors.fleet is not None)
    if doors.fleet is not None and identity is not None:
        reception = await open_fleet_door(
            stack,
            config,
            base.store,
            clock,
            listener=doors.fleet,
            caps=_caps(config),
            certificate=agents_certificate(stack, config, clock, tallies, certificate),
            judging=lambda: desks.fleet.rulebook.judging,
            identity=identity,
        )
        families.append(partial(fleet_families, reception.outcomes))
        families.append(await watch_fleet(stack, base.store))
    build = {"version": VERSION, "store": "sqlite" if config.store.is_sqlite else "postgresql"}
    looked: Counter[str] = Counter()
    families.append(partial(fleet_page_families, looked))
    ops = ops_app(
        registry=metrics_registry(tallies, gauges=gauges, build=build, families=families),
        checks=ChainMap(hsm.checks, checks),
        notes=hsm.notes,
    )
    add_fleet_pages(
        stack,
        ops,
        config,
        desk=desks.fleet,
        holders=desks.holders,
        advisories=desks.advisories,
        operators=desks.operators,
        store=base.store,
        clock=clock,
        outcomes=looked,
    )
    tally = tallies["control"]
    admin = admin_app(desks, LocalPeers())
    for app, listener in ((admin, doors.admin), (ops, doors.ops)):
        stack.push_async_callback((await serve(app, [listener], tally=tally)).stop)


def agents_certificate(
    stack: AsyncExitStack,
    config: Config,
    clock: Clock,
    tallies: Mapping[str, Tally],
    shown: "ServedCertificate | None",
) -> "ServedCertificate | None":
    """Return what agents are shown. They have no certificate to show, where clients need one."""
    if config.tls.client_ca is None:
        return shown
    return serve_certificate(stack, config.fleet_files, clock, tallies["control"])


async def count_usage(
    stack: AsyncExitStack, config: Config, sink: UsageSink, clock: Clock
) -> UsageCounter | None:
    """Return what counts this process's answers per client, None when it is not to be counted.

    Their door has to be closed by whoever leaves `stack`, before that or on it.
    """
    if not config.usage.count:
        return None
    clerk = UsageClerk(sink, clock=clock, sender=secrets.token_hex(8))
    await clerk.start()
    stack.push_async_callback(clerk.close)
    return clerk.counter


async def watch_maintenance(
    stack: AsyncExitStack, config: Config, source: MaintenanceSource, clock: Clock, tally: Tally
) -> MaintenanceWatch:
    """Return what this process knows of maintenance; `tally` counts in the phase that is now."""
    watch = MaintenanceWatch(
        source, clock=clock, notice_s=config.maintenance.notice_seconds, tell=tally.enter
    )
    await watch.start()
    stack.push_async_callback(watch.close)
    return watch


def start_jobs(
    stack: AsyncExitStack,
    config: Config,
    base: Foundation,
    clock: Clock,
    board: BoardFile | None,
) -> Sequence[Families]:
    """Run the jobs beside the service until `stack` ends, and let go of them before the store.

    Return what Prometheus is to see of them.
    """
    dispatcher = None if board is None else open_dispatcher(base, clock, board)
    jobs = [
        journal_checkpoint(base.journal),
        ledger_checkpoint(base.ledger),
        facts_pruning(base.store, base.store),
        usage_pruning(base.store, config.usage.kept_days),
        probe_pruning(base.store, base.store),
        ledger_pruning(base.store, base.store, kept_payloads(config)),
        incident_job(config, base),
        *notice_jobs(config, base, dispatcher),
        *uptime_jobs(config, base),
        *fleet_jobs(config, base),
        *report_jobs(config, base, report_mail_desk(config, base, clock, board, VERSION)),
    ]
    run_jobs(stack, base.store, clock, jobs)
    if board is None or dispatcher is None:
        return []
    return [partial(notice_families, board, dispatcher.attempts)]


def watch_vault(
    stack: AsyncExitStack, config: Config, base: Foundation, clock: Clock
) -> Callable[[], float]:
    """Work at rotations of the vault's keys until `stack` ends; return how to ask what is left."""
    progress = base.keys.progress
    rotator = Rotator(base.store, room_keys(config, base), clock=clock, progress=progress)
    holder = f"{socket.gethostname()}/{os.getpid()}"
    runner = JobRunner(base.store, [], holder=holder, clock=clock, again_s=_ROTATE_AGAIN_S)
    task = asyncio.get_running_loop().create_task(watch_rotation(rotator, runner))

    async def stop() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(stop)
    return lambda: progress.left


def serve_certificate(
    stack: AsyncExitStack,
    files: TlsFiles | None,
    clock: Clock,
    tally: Tally,
    *,
    handed: Handed | None = None,
) -> "ServedCertificate | None":
    """Read a door's TLS files and look after them until `stack` ends; TlsError.

    None: the configuration names no files. handed: what the service shows already.
    """
    if files is None:
        return None
    # Late: reading certificates takes a library that a start without TLS does not wait for.
    from server.web.certificate import ServedCertificate  # noqa: PLC0415

    certificate = ServedCertificate.read(files, clock=clock, tally=tally, handed=handed)
    task = asyncio.get_running_loop().create_task(certificate.watch())
    stack.callback(task.cancel)
    stack.callback(tally.no_certificate)
    return certificate


def watch_loop(stack: AsyncExitStack, clock: Clock, tally: Tally) -> None:
    """Note in `tally` how late this process's event loop is, until `stack` ends."""
    task = asyncio.get_running_loop().create_task(watch_loop_lag(clock, tally.lagged))
    stack.callback(task.cancel)
