"""Whether the HSM answers, for readiness and metrics: asked now and then, without a session."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import structlog

from hsm.vault import VaultError
from server.settings.keeping import Hsm

if TYPE_CHECKING:
    from server.hsm_host import HsmHost

_log = structlog.stdlib.get_logger(__name__)

LOOK_EVERY_S = 2.0

Sleep = Callable[[float], Awaitable[None]]


class Seen(NamedTuple):
    """A device as it was seen last. serial: None until it was there once; up: it answers."""

    where: str
    serial: int | None
    up: bool


class HsmWatch:
    """Knows which of an installation's devices answer. Until it has looked, all do.

    A device that was away when the service started is checked when it comes; one that is not as
    it should be is an alarm, and counts as one that does not answer.
    """

    def __init__(self, hsm: "HsmHost", config: Hsm, *, production: bool) -> None:
        self._hsm = hsm
        self._production = production
        self.is_strict = config.mode == "strict"
        checked = {one.where for one in hsm.identified}
        self._wrong = {device.where: "" for device in hsm.devices.all}
        self._unchecked = set(self._wrong) - checked

    @property
    def up(self) -> int:
        """How many devices answer."""
        return sum(not why for why in self._wrong.values())

    @property
    def devices(self) -> int:
        """How many there are."""
        return len(self._wrong)

    @property
    def trouble(self) -> str:
        """What is wrong when no device answers, "" while one does."""
        if self.up:
            return ""
        return "; ".join(dict.fromkeys(self._wrong.values()))

    @property
    def note(self) -> str:
        """What is wrong with some devices while another one answers, "" otherwise."""
        away = [why for why in self._wrong.values() if why]
        if not away or self.trouble:
            return ""
        return f"{len(away)} of {self.devices} HSMs do no work: {'; '.join(dict.fromkeys(away))}"

    @property
    def seen(self) -> Sequence[Seen]:
        """How each device is."""
        serials = {one.where: one.serial for one in self._hsm.identified}
        return [Seen(where, serials.get(where), not why) for where, why in self._wrong.items()]

    async def look(self) -> None:
        """Ask every device once."""
        await asyncio.gather(*(self._look_at(where) for where in self._wrong))

    async def watch(self, sleep: Sleep = asyncio.sleep) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await sleep(LOOK_EVERY_S)

    async def _look_at(self, where: str) -> None:
        try:
            if where in self._unchecked:
                await asyncio.to_thread(self._hsm.inspect_one, where, production=self._production)
                self._unchecked.discard(where)
            else:
                await asyncio.to_thread(self._hsm.greet, where)
        except VaultError as error:
            self._note(where, str(error))
        except Exception as error:  # noqa: BLE001 - a watch goes on, whatever it saw
            self._note(where, f"the HSM at {where} could not be asked: {type(error).__name__}")
        else:
            self._note(where, "")

    def _note(self, where: str, why: str) -> None:
        before, self._wrong[where] = self._wrong[where], why
        if why and not before:
            _log.error(
                "hsm_down", hsm=where, error=why, serving="no OTP" if self.is_strict else "on"
            )
        elif before and not why:
            _log.info("hsm_up", hsm=where)
