"""`keystead serve`: the service in this process, or a control process with its workers."""

import asyncio
import contextlib
import functools
import os
import shlex
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
import uvloop

from server import logs, main
from server.address import Address
from server.clock import SystemClock
from server.config import Config
from server.datadir import DataDirectory
from server.doors import Doors
from server.foundation import StoppedError
from server.programs import garbage, sandbox
from server.programs.exits import CommandError
from server.programs.hardening import allow_open_files, keep_memory_private
from server.programs.listening import listen
from server.programs.service_manager import ServiceManager
from server.programs.supervisor import (
    ReliefFailedError,
    Supervisor,
    WorkerFailedError,
    forget_tallies,
)
from server.programs.unix_sockets import listen_unix, needs_hsm_socket

if TYPE_CHECKING:
    from server.web.certificate import ServedCertificate

_log = structlog.stdlib.get_logger(__name__)

_SPARE_FILES = 256
"""Descriptors beside the connections: database, sockets, libraries."""


def serve(data: DataDirectory, config: Config) -> None:
    """Serve until SIGTERM or SIGINT; every refusal is one of the command line's errors."""
    data.require()
    _refuse_sandbox(data, config)
    keep_memory_private()
    allow_open_files(config.http.connections + _SPARE_FILES)
    logs.configure(config.log.level, process="serve")
    with data.locked():
        forget_tallies(data)
        _log.info("starting", data=str(data.root), workers=config.workers, store=_store(config))
        try:
            uvloop.run(_serve(data, config))
        except StoppedError:
            _log.info("stopped_while_waiting")
        _log.info("stopped")


def _refuse_sandbox(data: DataDirectory, config: Config) -> None:
    if config.environment == "production" and data.sandbox_key_file.exists():
        raise CommandError(
            f"{data.sandbox} holds a virtual YubiKey, and environment is production: whoever"
            " reads this disk could validate with it. Disable its key and client (their ids are"
            f" in {data.sandbox_key_file}), then remove {data.sandbox}"
        )


async def _serve(data: DataDirectory, config: Config) -> None:
    manager = ServiceManager.take_from(os.environ)
    stop, reload = _on_signals()
    async with _sockets(data, config) as (verify, doors):
        where = _where(verify[0], config.listen.verify_address)
        ops = _where(doors.ops, config.listen.ops_address)
        house = _control_process if config.verifies_apart else _one_process
        async with house(data, config, verify, doors, stop) as staff, manager.watchdog():
            garbage.settle()
            _announce(data, config, where, ops, doors)
            manager.ready("serving")
            loop = asyncio.get_running_loop()
            stopping = loop.create_task(stop.wait())
            reloading = loop.create_task(_reload_when_told(reload, staff, manager))
            ends: set[asyncio.Future[Any]] = {stopping, reloading, staff.failed}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for ended in (stopping, reloading):
                ended.cancel()
            manager.stopping()
            _log.info("stopping")
            if staff.failed.done():
                staff.failed.result()
            if reloading.done():
                reloading.result()


class _Staff(NamedTuple):
    """Who serves.

    failed: done when they cannot any more; relieve: None when nobody can be; certificate: reads the
    TLS files again and tells whether they are good, None without TLS.
    """

    failed: "asyncio.Future[None]"
    relieve: Callable[[], Awaitable[None]] | None
    certificate: Callable[[], Awaitable[bool]] | None


def _on_signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Return what SIGTERM and SIGINT set, and what SIGHUP sets."""
    loop = asyncio.get_running_loop()
    stop, reload = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup(1)
        # From a terminal it means that the terminal is gone: nobody could end us with Ctrl-C.
        hung_up = sys.stdin is not None and sys.stdin.isatty()
        loop.add_signal_handler(signal.SIGHUP, (stop if hung_up else reload).set)
    return stop, reload


async def _reload_when_told(told: asyncio.Event, staff: _Staff, manager: ServiceManager) -> None:
    """Reload whenever somebody asks; a failure leaves those who serve in place."""
    while True:
        await told.wait()
        told.clear()
        if staff.relieve is None and staff.certificate is None:
            _log.warning("reload_needs_workers", advice="set workers to 2 or more, and restart")
            continue
        _log.info("reloading")
        manager.reloading("replacing the certificate and the workers, one by one")
        try:
            await _reload(staff)
        except ReliefFailedError as error:
            _log.error("reload_failed", error=str(error))
            manager.ready("serving; the last reload failed, see the log")
        else:
            _log.info("reloaded")
            manager.ready("serving")


async def _reload(staff: _Staff) -> None:
    """Take up new TLS files everywhere at once, then replace the workers; ReliefFailedError."""
    if staff.certificate is not None and not await staff.certificate():
        raise ReliefFailedError(
            "the TLS files are no good (the line before says why): nothing was replaced"
        )
    if staff.relieve is not None:
        await staff.relieve()


@asynccontextmanager
async def _sockets(
    data: DataDirectory, config: Config
) -> AsyncIterator[tuple[list[socket.socket], Doors]]:
    """Listen on every address, before anything else is opened that could be for nothing."""
    made: list[socket.socket] = []
    try:
        verify = await listen(config.listen.verify_address, config.workers, "--listen")
        made += verify
        ops = (await listen(config.listen.ops_address, 1, "--ops-listen"))[0]
        made.append(ops)
        remote = None
        if config.listen.admin_address is not None:
            remote = (await listen(config.listen.admin_address, 1, "--admin-listen"))[0]
            made.append(remote)
        fleet = None
        if config.listen.fleet_address is not None:
            fleet = (await listen(config.listen.fleet_address, 1, "--fleet-listen"))[0]
            made.append(fleet)
        admin = listen_unix(data.admin_socket)
        made.append(admin)
        hsm = None
        if needs_hsm_socket(config, data):
            hsm = listen_unix(data.hsm_socket)
            made.append(hsm)
        yield verify, Doors(admin, ops, remote, fleet, hsm)
    finally:
        for one in made:
            one.close()
        data.admin_socket.unlink(missing_ok=True)
        data.hsm_socket.unlink(missing_ok=True)


@asynccontextmanager
async def _one_process(
    data: DataDirectory,
    config: Config,
    verify: list[socket.socket],
    doors: Doors,
    stop: asyncio.Event,
) -> AsyncIterator[_Staff]:
    clock = SystemClock()
    async with main.whole_service(
        config, data, clock, verify=verify[0], doors=doors, stop=stop
    ) as door:
        # Nothing here can fail by itself, and nobody could relieve it.
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        yield _Staff(failed, None, None if config.tls.files is None else door.reload_certificate)


@asynccontextmanager
async def _control_process(
    data: DataDirectory,
    config: Config,
    verify: list[socket.socket],
    doors: Doors,
    stop: asyncio.Event,
) -> AsyncIterator[_Staff]:
    supervisor = Supervisor(config=config, data=data, sockets=verify)
    async with main.control(
        config, data, SystemClock(), doors=doors, workforce=supervisor, stop=stop
    ) as control:
        try:
            await supervisor.start(control)
            certificate = None
            if control.certificate is not None:
                certificate = functools.partial(
                    _reload_certificates, control.certificate, supervisor
                )
            yield _Staff(supervisor.failed, supervisor.relieve_all, certificate)
        except WorkerFailedError as error:
            raise CommandError(str(error)) from error
        finally:
            # Ours first: what the kernel still accepted for us would only be reset later.
            for one in verify:
                one.close()
            await supervisor.stop()


async def _reload_certificates(certificate: "ServedCertificate", supervisor: Supervisor) -> bool:
    """Let the workers read what the control process found to be good."""
    is_good = await certificate.reload()
    if is_good:
        supervisor.reload_certificates()
    return is_good


def _announce(
    data: DataDirectory, config: Config, where: Address, ops: Address, doors: Doors
) -> None:
    """Print the ready line, and with a sandbox a command to copy."""
    scheme = "http" if config.tls.files is None else "https"
    url = f"{scheme}://{where}/wsapi/2.0/verify"
    remote, fleet = _remote(config, doors), _fleet(config, doors)
    sys.stdout.write(
        f"ready verify={url} ops=http://{ops} workers={config.workers} store={_store(config)}"
        f"{remote and f' admin={remote}'}{fleet and f' fleet={fleet}'}\n"
    )
    sys.stdout.flush()
    _log.info("ready", verify=url, ops=f"http://{ops}", admin=remote or None, fleet=fleet or None)
    try:
        found = sandbox.read(data)
    except CommandError as error:
        _log.warning("sandbox_unreadable", error=str(error))
        return
    if found is None:
        return
    # Whoever signed the certificate: curl is content with the certificate itself.
    trust = (
        "" if config.tls.certificate is None else f"--cacert {shlex.quote(config.tls.certificate)} "
    )
    otp = f"{_own_name()} otp --data {shlex.quote(str(data.root))}"
    # Whoever started us may have read the ready line and closed the pipe: no reason to die.
    with contextlib.suppress(OSError):
        sys.stdout.write(
            "try it with an OTP of the sandbox's virtual YubiKey:\n"
            f'  curl -s {trust}"{url}?id={found.client_id}'
            f'&nonce=$(openssl rand -hex 16)&otp=$({otp})"\n'
        )
        sys.stdout.flush()


def _own_name() -> str:
    """Return how to call this program again: an environment's scripts are rarely on the PATH."""
    started = Path(sys.argv[0])
    if started.name != "keystead":
        return f"{shlex.quote(sys.executable)} -m server"
    found = shutil.which(started.name)
    if found is not None and started.exists() and started.samefile(found):
        return started.name
    return shlex.quote(sys.argv[0])


def _store(config: Config) -> str:
    return "sqlite" if config.store.is_sqlite else "postgresql"


def _remote(config: Config, doors: Doors) -> str:
    """Return the URL of the admin door over HTTPS, "" when there is none."""
    asked = config.listen.admin_address
    if doors.remote is None or asked is None:
        return ""
    return f"https://{_where(doors.remote, asked)}"


def _fleet(config: Config, doors: Doors) -> str:
    """Return the URL for endpoint agents, "" when there is none."""
    asked = config.listen.fleet_address
    if doors.fleet is None or asked is None:
        return ""
    scheme = "http" if config.tls.files is None else "https"
    return f"{scheme}://{_where(doors.fleet, asked)}"


def _where(listener: socket.socket, asked: Address) -> Address:
    """Return the address with the port that the system gave for port 0."""
    return Address(asked.host, listener.getsockname()[1])
