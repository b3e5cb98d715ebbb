"""The agent as a service: waits to be enrolled, then works until it is told to stop."""

import logging
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from agent import __version__, this_host
from agent.backoff import Backoff
from agent.courier import Courier
from agent.fido_hid import fido_devices
from agent.http_client import Client
from agent.identity import FILE, Identity, load
from agent.key_signing import KeySigning
from agent.pcsc import PcscCards, PcscReaders, Permit
from agent.ports import Card, CardBusyError
from agent.prober import Prober
from agent.proof_wire import CHANNEL, SIGNED
from agent.prover import Prover
from agent.relaying import RelayError, Relaying, Wanted
from agent.running import Agent, Tools
from agent.sending import Sender
from agent.server_url import parse_server_url
from agent.server_voice import ServerVoice
from agent.single import hold
from agent.store import Store
from agent.watcher import LONGEST_PAUSE_S, Watcher
from agent.whitelist_channel import ChannelRules

_LOG = logging.getLogger("keystead-agent")
_LOOK_FOR_ENROLMENT_S = 5.0
_READER_PATIENCE_S = 6.0
_SENDER_PATIENCE_S = 3.0


class Service:
    """One directory's. `stop` may be called in a signal's handler or another thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stopped = threading.Event()
        self._agent: Agent | None = None

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
        """Work. AlreadyRunningError, IdentityError, StoreError, OSError."""
        with hold(self._directory):
            waiting = False
            while not self._stopped.is_set():
                identity = load(self._directory)
                if identity is not None:
                    self._work(identity)
                    continue
                if not waiting:
                    _LOG.warning(
                        "this host is not enrolled: keystead-agent enroll --server URL"
                        " --token-file FILE. Until then no key is looked at."
                    )
                    waiting = True
                self._stopped.wait(_LOOK_FOR_ENROLMENT_S)

    def _work(self, identity: Identity) -> None:
        """Work for one enrolment, until another takes its place."""
        dice = random.SystemRandom()
        store = Store(self._directory)
        store.begin(identity.host)
        agent = self._agent = Agent(
            identity,
            Tools(self._directory, store, fido_devices(), dice, this_host.describe),
        )
        prober = Prober(PcscCards(), fido_devices(), agent.finished)
        prover = Prover(lambda wanted: prove(agent.identity, wanted), agent.proved)
        sender = Sender(lambda: courier_of(identity, self._directory, dice), agent.told)
        watcher = Watcher(PcscReaders, agent.looked, agent.away, Backoff(dice, LONGEST_PAUSE_S))
        _LOG.info("reporting to %s as %s", identity.server, identity.name)
        for part in (prober, sender, watcher):
            part.start()
        try:
            if not self._stopped.is_set():
                agent.run(prober, sender, self._is_still(identity), prover)
        finally:
            self._agent = None
            watcher.stop()
            prober.stop(_READER_PATIENCE_S)
            prover.stop(_READER_PATIENCE_S)
            sender.stop(_SENDER_PATIENCE_S)
            store.close()

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
    return Courier(identity, _client(identity), Store(directory), dice)


def prove(identity: Identity, wanted: Wanted) -> str:
    """Have a key prove itself to the enrolled server, in each way. RelayError: it did in none."""
    trust, problems = "", []
    for way in wanted.ways:
        try:
            trust = _WAYS[way](identity, wanted)
        except RelayError as error:
            problems.append(f"{way}: {error}")
    if not trust:
        raise RelayError("; ".join(problems))
    for problem in problems:
        _LOG.warning("%s", problem)
    return trust


def sign(identity: Identity, wanted: Wanted) -> str:
    """Have slot 9E of a key sign what the enrolled server asks. RelayError."""
    client = _client(identity)
    try:
        voice = ServerVoice(identity, client)
        return KeySigning(voice, identity.host, open_free, time.monotonic).prove(wanted)
    finally:
        client.close()


def open_free(reader: str, rules: Permit) -> Card:
    """Open a card with which no other program is connected now."""
    readers = PcscReaders()
    try:
        state = readers.look().get(reader)
    finally:
        readers.close()
    if state is not None and state.in_use:
        raise CardBusyError("another program is connected to the key")
    return PcscCards(lambda: rules).open(reader)


class _FreeCards:
    """Cards under the rules of a channel, with which no other program is connected."""

    def open(self, reader: str) -> Card:
        """Begin a transaction."""
        return open_free(reader, ChannelRules().permit)


def relay(identity: Identity, wanted: Wanted) -> str:
    """Let the enrolled server read a key through channels of its own. RelayError."""
    client = _client(identity)
    try:
        voice = ServerVoice(identity, client)
        return Relaying(_FreeCards(), voice, time.monotonic).relay(wanted)
    finally:
        client.close()


_WAYS: Mapping[str, Callable[[Identity, Wanted], str]] = {SIGNED: sign, CHANNEL: relay}
"""The words of a policy, the weaker first: what the last one says is what counts."""


def _client(identity: Identity) -> Client:
    url = parse_server_url(identity.server)
    return Client(url, identity.ca_file, f"keystead-agent/{__version__}")
