"""Clients that ask without a pause while a service reloads, and what it says of that."""

import itertools
import signal
import ssl
from collections.abc import Sequence

from tests.keystead_process import KeysteadProcess
from tests.system.relying_party import RelyingParty
from tests.system.wire import Wire
from tests.system.yubikeys import YubiKey
from validation.status import Status

RELOADED_WITHIN_S = 120.0


def events(keystead: KeysteadProcess, *names: str) -> list[str]:
    found = (str(line["event"]) for line in keystead.logs(since_start=True))
    return [event for event in found if event in names]


def reload(keystead: KeysteadProcess) -> str:
    """Send SIGHUP and wait until the service says how it ended."""
    before = len(events(keystead, "reloaded", "reload_failed"))
    assert keystead.process is not None
    keystead.process.send_signal(signal.SIGHUP)
    keystead.wait_until(
        lambda: len(events(keystead, "reloaded", "reload_failed")) > before,
        within_s=RELOADED_WITHIN_S,
    )
    return events(keystead, "reloaded", "reload_failed")[-1]


class Hand:
    """Asks about fresh OTPs without a pause; any answer but OK, or none, fails the test."""

    def __init__(
        self,
        url: str,
        party: RelyingParty,
        keys: Sequence[YubiKey],
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.answered = 0
        self.going = True
        self._url = url
        self._party = party
        self._keys = itertools.cycle(keys)
        self._trust = trust

    async def ask(self, at_most: int) -> None:
        """Ask until told to stop, `at_most` questions on a connection."""
        while self.going:
            async with Wire(self._url, trust=self._trust) as wire:
                for _ in range(at_most):
                    told = await self._party.ask(wire, next(self._keys).press())
                    assert told.status is Status.OK
                    self.answered += 1
                    if told.http.headers.get("connection") == "close" or not self.going:
                        break
