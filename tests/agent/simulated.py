"""The agent at work by a clock of the test's: weeks in a second, in the real code and files."""

import random
from datetime import date
from pathlib import Path

from agent.composing import Host
from agent.courier import Courier, Trip
from agent.identity import Identity
from agent.ports import FidoDevice, NotPermittedError, ReaderState
from agent.prober import Prober
from agent.running import Agent, Tools
from tests.agent.closing import client, opened
from tests.agent.recorded_card import OneCard, RecordedCard

READER = "Yubico YubiKey OTP+FIDO+CCID 00 00"
_READ_WITHIN_S = 10.0


class NoDevices:
    """No FIDO device is there."""

    def paths(self) -> list[str]:
        return []

    def open(self, path: str) -> FidoDevice:
        raise NotPermittedError(path)


def state(changes: int = 1, *, present: bool = True) -> ReaderState:
    """Return a reader's state."""
    return ReaderState(present, False, changes, b"", 0)


class SimulatedAgent:
    """One host's agent. now: seconds of its monotonic clock; day: what its other clock says.

    url: of the server; tries: how often it was asked; steps: how often the agent woke.
    """

    def __init__(self, directory: Path, identity: Identity, url: str, card: RecordedCard) -> None:
        self.now = 0.0
        self.day = date(2026, 11, 27)
        self.tries = 0
        self.steps = 0
        self.store = opened(directory)
        # Nobody loses power here, and a week's reports are some thousand commits.
        self.store._connection.execute("PRAGMA synchronous = OFF")
        self.store.begin(identity.host)
        self._identity = identity
        self._dice = random.Random(7)  # noqa: S311 - jitter
        self._send_at: float | None = 0.0
        self._courier = self._courier_to(url)
        tools = Tools(
            *(directory, self.store, NoDevices(), self._dice, self._describe),
            monotonic=lambda: self.now,
            today=lambda: self.day,
        )
        self.agent = Agent(identity, tools)
        self._prober = Prober(OneCard(card), NoDevices(), self.agent.finished)
        self._prober.start()
        self.agent._prober = self._prober

    def close(self) -> None:
        """End its thread."""
        self._prober.stop(_READ_WITHIN_S)

    def ask_at(self, url: str) -> None:
        """Have the server at another address; it is asked at once, as after a start."""
        self._courier = self._courier_to(url)
        self._send_at = self.now

    def plug_in(self, changes: int = 1) -> None:
        """Have the card in the reader."""
        self.agent.looked({READER: state(changes)})

    def pull(self) -> None:
        """Have the reader empty."""
        self.agent.looked({READER: state(present=False)})

    def live(self, seconds: float) -> None:
        """Go on for so long."""
        until = self.now + seconds
        while self.now < until:
            self._step(until)

    def _step(self, until: float) -> None:
        self.steps += 1
        self.agent._do_what_is_due()
        # What was given to the prober comes back in a moment of no length.
        while not self.agent._happenings.empty() or self.agent._slots.hanging(float("inf")):
            self.agent._happenings.get(timeout=_READ_WITHIN_S)()
        if self.agent._schedule.last == self.now and self._send_at is None:
            self._send_at = self.now
        if self._send_at is not None and self._send_at <= self.now:
            self._send()
        later = self.now + self.agent._pause()
        self.now = min(later, until, self._send_at if self._send_at is not None else later)

    def _send(self) -> None:
        trip: Trip = self._courier.carry()
        self.tries += 1
        self._send_at = None if trip.wait_s is None else self.now + trip.wait_s

    def _courier_to(self, url: str) -> Courier:
        return Courier(self._identity, client(url), self.store, self._dice)

    @staticmethod
    def _describe(host: str) -> Host:
        return Host(host, "0.1.0", "linux", "Debian", {})
