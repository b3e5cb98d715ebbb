"""`keystead probe`: a process of its own that validates an OTP every half minute, and tells.

Best on a host of its own. It goes on while the server is down, and has everything in its spool.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import structlog

from hsm import journalkey, privatefile
from hsm.journalkey import JournalKey
from server import logs
from server.address import Address
from server.clock import Clock, SystemClock
from server.incidents.schedule import Schedule
from server.metrics.tally import Tally
from server.notices.board import BoardError, load_board
from server.outgoing.senders import senders_for
from server.probing.calling import Caller
from server.probing.handin import HandIn, read_windows
from server.probing.hosts import HostRefusedError, admit, admit_aliases
from server.probing.links import Links
from server.probing.rounds import Prober
from server.probing.vigil import Vigil
from server.probing.virtual_key import KeptKey, KeyFileError
from server.programs.exits import CommandError
from server.programs.hardening import keep_memory_private
from server.programs.listening import listen
from server.programs.probe_config import ProbeConfig, read_config
from server.programs.probe_knocker import HttpKnocker
from server.programs.probe_office import AdminOffice, admin_client
from server.programs.probe_pages import PageKeeper
from server.programs.probe_watch import WINDOWS, Watchman
from server.programs.service_manager import ServiceManager
from server.status.files import Site
from server.storage.spool import Spool, SpoolError
from server.web.ops import ops_app
from server.web.probe_door import ProbeDoor
from server.web.runner import serve
from validation.signature import ApiKey

_log = structlog.stdlib.get_logger(__name__)

SPOOL_FILE: Final = "spool.db"
LINK_KEY: Final = "link.key"
SILENT_INTERVALS: Final = 2.5
"""After so many intervals without a round there is a gap."""

_US: Final = 1_000_000
_LARGEST_KEY: Final = 1024


def run(file: Path) -> None:
    """Probe until SIGTERM or SIGINT; every refusal is one of the command line's errors."""
    config = read_config(file)
    beside = file.absolute().parent
    try:
        admit_aliases(admit(config.url, config.allowed_hosts))
        spool_directory = beside / config.spool
        spool_directory.mkdir(mode=0o700, exist_ok=True)
        with _alone(spool_directory):
            keep_memory_private()
            logs.configure("info", process="probe")
            asyncio.run(_probe(config, beside))
    except (BoardError, HostRefusedError, KeyFileError, SpoolError) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"{beside / config.spool}: {error.strerror or error}") from error


def open_spool(config: ProbeConfig, beside: Path) -> Spool:
    """Return the spool; SpoolError."""
    return Spool.open(beside / config.spool / SPOOL_FILE, config.spooled_findings)


async def _probe(config: ProbeConfig, beside: Path) -> None:
    manager = ServiceManager.take_from(os.environ)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    listener = (await listen(Address.parse(config.listen), 1, "listen"))[0]
    with contextlib.closing(open_spool(config, beside)) as spool:
        async with _watchman(config, beside, spool, SystemClock()) as (watchman, own):
            app = ops_app(registry=watchman.metrics.registry, checks={})
            own.add_to(app)
            door = await serve(app, [listener], tally=Tally.in_memory())
            where = Address(Address.parse(config.listen).host, listener.getsockname()[1])
            sys.stdout.write(f"ready probe={config.url} listen=http://{where}\n")
            sys.stdout.flush()
            _log.info("probing", url=config.url, prober=spool.prober, listen=str(where))
            manager.ready("probing")
            try:
                async with manager.watchdog():
                    await watchman.watch(stop)
            finally:
                await door.stop()


@asynccontextmanager
async def _watchman(
    config: ProbeConfig, beside: Path, spool: Spool, clock: Clock
) -> AsyncIterator[tuple[Watchman, ProbeDoor]]:
    api_key = ApiKey(_api_key(beside / config.api_key))
    ca = None if config.ca is None else beside / config.ca
    board = None if config.board is None else load_board(beside / config.board)
    vigil = Vigil(spool, prober=spool.prober, clock=clock, schedule=Schedule())
    links = Links(
        _link_key(beside / config.spool / LINK_KEY),
        base=config.link,
        salt=spool.prober.encode(),
        people={} if board is None else board.people,
    )
    async with HttpKnocker(
        config.url, config.client, api_key, deadline_s=config.deadline_seconds, ca=ca
    ) as knocker:
        prober = Prober(
            knocker=knocker,
            key=KeptKey.plug_in(beside / config.virtual_key),
            api_key=api_key,
            spool=spool,
            clock=clock,
            silent_us=round(config.interval_seconds * SILENT_INTERVALS * _US),
        )
        office = AdminOffice(admin_client(config.server, beside))
        watchman = Watchman(
            prober=prober,
            handin=HandIn(spool, office, windows=read_windows(spool.get(WINDOWS))),
            office=office,
            vigil=vigil,
            caller=None
            if board is None
            else Caller(
                vigil,
                spool,
                board=board,
                senders=senders_for(board, clock),
                clock=clock,
                link=links.make,
            ),
            pages=PageKeeper(
                knocker.snapshot,
                spool,
                service=config.service,
                site=Site(f"{config.link.rstrip('/')}/status"),
                directory=None
                if config.status_directory is None
                else beside / config.status_directory,
                clock=clock,
            ),
            spool=spool,
            clock=clock,
            interval_s=config.interval_seconds,
        )
        door = ProbeDoor(
            vigil,
            links.read,
            now_s=lambda: clock.now_us() // _US,
            documents=lambda: watchman.documents,
            acknowledged=watchman.hurry,
        )
        yield watchman, door


def _link_key(path: Path) -> JournalKey:
    """Return the key that signs links: of this prober alone, made when it is not there."""
    return journalkey.load(path) if path.exists() else journalkey.create(path)


def _api_key(path: Path) -> bytes:
    import base64  # noqa: PLC0415 - once
    import binascii  # noqa: PLC0415

    octets = privatefile.read(
        path,
        _LARGEST_KEY,
        when_absent="Put the client's API key into it, or run keystead probe init",
        when_open="rotate the client's key: others may have read this one",
    )
    try:
        return base64.b64decode(octets.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise CommandError(f"{path} holds no API key: it is one line of base64") from None


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Keep a second prober from the same spool and key. The lock ends with the process."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"another prober works with {directory} already") from None
        yield
    finally:
        os.close(handle)
