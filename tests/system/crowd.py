"""A crowd at the door: hands that ask about fresh OTPs without a pause, and remember everything."""

import asyncio
import itertools
from collections.abc import Sequence

from tests.system.relying_party import RelyingParty
from tests.system.wire import Wire
from tests.system.yubikeys import YubiKey
from validation.status import Status

HANDS = 16


class Crowd:
    """HANDS connections, each with keys of its own, so that a key is never in flight twice.

    accepted: OTPs that got OK, in order. undecided: OTPs without an answer or with
    BACKEND_ERROR; whether they were consumed nobody knows. Any other answer is a failure.
    """

    def __init__(self, url: str, party: RelyingParty, keys: Sequence[YubiKey]) -> None:
        assert len(keys) >= HANDS
        self.accepted: list[str] = []
        self.undecided: list[str] = []
        self._url = url
        self._party = party
        self._keys = keys
        self._going = True
        self._wanted = 0
        self._enough = asyncio.Event()

    def stop(self) -> None:
        """Let every hand finish what it asked and ask nothing more."""
        self._going = False

    async def ask(self) -> None:
        """Ask until somebody calls `stop`."""
        async with asyncio.TaskGroup() as group:
            for hand in range(HANDS):
                group.create_task(self._ask_in_turn(self._keys[hand::HANDS]))

    async def has_accepted(self, count: int) -> None:
        """Wait until so many OTPs were accepted; to be called before any is."""
        self._wanted = count
        await self._enough.wait()

    async def _ask_in_turn(self, keys: Sequence[YubiKey]) -> None:
        turn = itertools.cycle(keys)
        while self._going:
            try:
                async with Wire(self._url) as wire:
                    while self._going:
                        await self._ask_once(wire, next(turn).press())
            except OSError:
                await asyncio.sleep(0.02)  # refused: nobody listens at this moment

    async def _ask_once(self, wire: Wire, otp: str) -> None:
        self.undecided.append(otp)
        try:
            told = await self._party.ask(wire, otp)
        except EOFError as error:
            raise ConnectionResetError("closed without an answer") from error
        if told.status is Status.OK:
            self.accepted.append(otp)
            if len(self.accepted) == self._wanted:
                self._enough.set()
        if told.status is not Status.BACKEND_ERROR:
            assert told.status is Status.OK, told
            self.undecided.remove(otp)
