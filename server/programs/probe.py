"""`keystead probe`: a process of its own that validates an OTP every half minute, and tells.

Best on a host of its own. It goes on while the server is down, and has everything in its spool.
"""

import asyncio
import contextlib
import fcntl
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import structlog

from hsm import privatefile
from server import logs
from server.address import Address
from server.clock import Clock, SystemClock
from server.maintenance.counting import phase_at
from server.metrics.probes import ProbeMetrics
from server.metrics.tally import Tally
from server.probing.handin import HandIn, read_windows, write_windows
from server.probing.hosts import HostRefusedError, admit, admit_aliases
from server.probing.rounds import Prober, Round
from server.probing.standing import Standing
from server.probing.virtual_key import KeptKey, KeyFileError
from server.programs.exits import CommandError
from server.programs.hardening import keep_memory_private
from server.programs.listening import listen
from server.programs.probe_config import JITTER, ProbeConfig, read_config
from server.programs.probe_knocker import HttpKnocker
from server.programs.probe_office import AdminOffice, admin_client
from server.programs.service_manager import ServiceManager
from server.storage.spool import Spool, SpoolError
from server.web.faults import describe_fault
from server.web.ops import ops_app
from server.web.runner import serve
from validation.signature import ApiKey

_log = structlog.stdlib.get_logger(__name__)

SPOOL_FILE: Final = "spool.db"
SILENT_INTERVALS: Final = 2.5
"""After so many intervals without a round there is a gap."""

_US: Final = 1_000_000
_LARGEST_KEY: Final = 1024
_WINDOWS: Final = "windows"


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
    except (HostRefusedError, KeyFileError, SpoolError) as error:
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
        async with _watchman(config, beside, spool, SystemClock()) as watchman:
            app = ops_app(registry=watchman.metrics.registry, checks={})
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
) -> AsyncIterator["Watchman"]:
    api_key = ApiKey(_api_key(beside / config.api_key))
    ca = None if config.ca is None else beside / config.ca
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
        handin = HandIn(spool, office, windows=read_windows(spool.get(_WINDOWS)))
        yield Watchman(prober, handin, spool, clock, interval_s=config.interval_seconds)


class Watchman:
    """Does rounds at their time, and hands in what they find."""

    def __init__(
        self, prober: Prober, handin: HandIn, spool: Spool, clock: Clock, *, interval_s: float
    ) -> None:
        self._prober = prober
        self._handin = handin
        self._spool = spool
        self._clock = clock
        self._interval_s = interval_s
        self._news = asyncio.Event()
        self.standing = Standing()
        self.metrics = ProbeMetrics(
            waiting=lambda: spool.waiting,
            lost=lambda: spool.lost,
            failing=lambda: self.standing.failing,
            away=lambda: self._handin.fault is not None,
        )

    async def watch(self, stop: asyncio.Event) -> None:
        """Go on until told to stop, or until something breaks that must not."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._rounds()), group.create_task(self._hand_in())]
            await stop.wait()
            for task in tasks:
                task.cancel()

    async def _rounds(self) -> None:
        while True:
            began = self._clock.monotonic()
            try:
                self._note(await self._prober.round())
            except Exception as fault:  # noqa: BLE001 - a full disk may have room again: go on
                _log.error("round_not_done", **describe_fault(fault))
            # Not everybody's probers at the same second, nor always at the same of a minute.
            wait_s = self._interval_s * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
            await asyncio.sleep(max(0.0, began + wait_s - self._clock.monotonic()))

    def _note(self, done: Round) -> None:
        outcome, why = done.judgement
        before = self.standing
        self.standing = before.after(outcome, done.at_us, why)
        phase = phase_at(self._handin.windows, done.at_us // _US)
        self.metrics.count(outcome.value, phase.value)
        if why:
            _log.warning("round", outcome=outcome.value, why=why, number=done.finding.number)
        if self.standing.failing != before.failing:
            _log.warning("failing" if self.standing.failing else "recovered", why=why)
        self._news.set()

    async def _hand_in(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            before, windows = self._handin.fault, self._handin.windows
            done = await self._handin.turn()
            if self._handin.windows != windows:
                self._spool.put(_WINDOWS, write_windows(self._handin.windows))
            if self._handin.fault != before:
                _log.info("handed_in" if done else "not_handed_in", why=self._handin.fault)


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
