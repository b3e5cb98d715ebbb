"""The agent as a service: waits to be enrolled, then works until it is told to stop."""

import logging
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from agent import __version__, this_host
from agent.backoff import Backoff
from agent.courier import Courier
from agent.fido_hid import fido_devices
from agent.http_client import Client
from agent.identity import FILE, Identity, load
from agent.pcsc import PcscCards, PcscReaders
from agent.prober import Prober
from agent.running import Agent, PartFailedError, Tools
from agent.sending import Sender
from agent.server_url import parse_server_url
from agent.single import hold
from agent.store import Store, StoreError
from agent.watcher import LONGEST_PAUSE_S, Watcher

_LOG = logging.getLogger("keystead-agent")
_LOOK_FOR_ENROLMENT_S = 5.0
_STORE_AGAIN_S = 60.0
_READER_PATIENCE_S = 6.0
_SENDER_PATIENCE_S = 3.0


class Service:
    """One directory's. `stop` may be called in a signal's handler or another thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stopped = threading.Event()
        self._agent: Agent | None = None
        self._failed = ""

    def stop(self, *_signal: object) -> None:
        """Have it end."""
        self._stopped.set()
        if self._agent is not None:
            self._agent.stop()

    def heed_signals(self) -> None:
        """End at SIGTERM and SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)

    def run(self) -> None:
        """Work. AlreadyRunningError, IdentityError, PartFailedError, OSError."""
        threading.excepthook = self._part_failed
        with hold(self._directory):
            waiting = False
            while not self._stopped.is_set():
                identity = load(self._directory)
                if identity is not None:
                    try:
                        self._work(identity)
                    except StoreError as error:
                        # A disk that is full at the start, too, is waited for.
                        _LOG.warning("%s", error)
                        self._stopped.wait(_STORE_AGAIN_S)
                    continue
                if not waiting:
                    _LOG.warning(
                        "this host is not enrolled: keystead-agent enroll --server URL"
                        " --token-file FILE. Until then no key is looked at."
                    )
                    waiting = True
                self._stopped.wait(_LOOK_FOR_ENROLMENT_S)
        if self._failed:
            raise PartFailedError(self._failed)

    def _part_failed(self, args: threading.ExceptHookArgs) -> None:
        """End, so that the system starts a whole agent: one without a part looks well and is not.

        Without a traceback: what a key or a server sent may be in it.
        """
        part = args.thread.name if args.thread is not None else "a part"
        self._failed = f"{part} failed: {args.exc_type.__name__}. This is a fault of the agent's."
        self.stop()

    def _work(self, identity: Identity) -> None:
        """Work for one enrolment, until another takes its place."""
        dice = random.SystemRandom()
        store = Store(self._directory)
        try:
            store.begin(identity.host)
            self._work_with(identity, store, dice)
        finally:
            store.close()

    def _work_with(self, identity: Identity, store: Store, dice: random.Random) -> None:
        agent = self._agent = Agent(
            identity,
            Tools(self._directory, store, fido_devices(), dice, this_host.describe),
        )
        prober = Prober(PcscCards(), fido_devices(), agent.finished)
        sender = Sender(lambda: courier_of(identity, self._directory, dice), agent.told)
        watcher = Watcher(PcscReaders, agent.looked, agent.away, Backoff(dice, LONGEST_PAUSE_S))
        _LOG.info("reporting to %s as %s", identity.server, identity.name)
        for part in (prober, sender, watcher):
            part.start()
        try:
            if not self._stopped.is_set():
                agent.run(prober, sender, self._is_still(identity))
        finally:
            self._agent = None
            watcher.stop()
            prober.stop(_READER_PATIENCE_S)
            sender.stop(_SENDER_PATIENCE_S)

    def _is_still(self, identity: Identity) -> Callable[[], bool]:
        """Return what asks whether this enrolment stands, by the file when it changed."""
        path = self._directory / FILE
        seen: list[object] = [None]

        def ask() -> bool:
            try:
                found = path.stat()
            except FileNotFoundError:
                return False
            stamp = (found.st_mtime_ns, found.st_ino)
            if stamp == seen[0]:
                return True
            seen[0] = stamp
            current = load(self._directory)
            return current is not None and current.host == identity.host

        return ask


def courier_of(identity: Identity, directory: Path, dice: random.Random) -> Courier:
    """Return a courier with a store of its own, for the thread that calls."""
    client = Client(
        parse_server_url(identity.server), identity.ca_file, f"keystead-agent/{__version__}"
    )
    return Courier(identity, client, Store(directory), dice)
