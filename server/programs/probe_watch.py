"""The prober's watch: rounds at their time, handing in, and the vigil while the server is away."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import structlog

from server.clock import Clock
from server.incidents.record import Record
from server.incidents.states import State
from server.maintenance.counting import phase_at
from server.metrics.probes import ProbeMetrics
from server.probing.calling import Caller
from server.probing.handin import HandIn, write_windows
from server.probing.ports import OfficeError
from server.probing.rounds import Prober, Round
from server.probing.standing import Standing
from server.probing.vigil import Vigil
from server.programs.probe_config import JITTER
from server.programs.probe_pages import PageKeeper
from server.storage.spool import Spool
from server.web.faults import describe_fault

_log = structlog.stdlib.get_logger(__name__)

LOOK_EVERY_S: Final = 0.5
"""How soon a command's acknowledgement is seen, and a call made that is due."""

WINDOWS: Final = "windows"
_US: Final = 1_000_000


class TakesIncidents(Protocol):
    """Takes incidents that were begun here."""

    async def take_over(self, reference: str, records: Sequence[Record]) -> tuple[int, State]:
        """Bring a whole history; return its number on the server and where it stands there.

        OfficeError: it is not known to have it.
        """
        ...


class Watchman:
    """Joins the parts. caller: None when no notice board is configured."""

    def __init__(
        self,
        *,
        prober: Prober,
        handin: HandIn,
        office: TakesIncidents,
        vigil: Vigil,
        caller: Caller | None,
        pages: PageKeeper,
        spool: Spool,
        clock: Clock,
        interval_s: float,
    ) -> None:
        self._prober = prober
        self._handin = handin
        self._office = office
        self._vigil = vigil
        self._caller = caller
        self._pages = pages
        self._spool = spool
        self._clock = clock
        self._interval_s = interval_s
        self._away = True
        self._news = asyncio.Event()
        self.standing = Standing()
        self.metrics = ProbeMetrics(
            waiting=lambda: spool.waiting,
            lost=lambda: spool.lost,
            failing=lambda: self.standing.failing,
            away=lambda: self._away,
        )

    @property
    def documents(self) -> Mapping[str, bytes] | None:
        """The status in all its forms; None before the first round."""
        return self._pages.documents

    def hurry(self) -> None:
        """Tell of something now, and not with the next round."""
        self._news.set()

    async def watch(self, stop: asyncio.Event) -> None:
        """Go on until told to stop, or until something breaks that must not."""
        async with asyncio.TaskGroup() as group:
            loops = (self._rounds, self._tell, self._keep_vigil)
            tasks = [group.create_task(loop()) for loop in loops]
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
            wait_s = self._interval_s * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
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

    async def _tell(self) -> None:
        """After each round: bring the server everything, or do what it would do."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._tell_once()
            except Exception as fault:  # noqa: BLE001 - as above
                _log.error("not_told", **describe_fault(fault))

    async def _tell_once(self) -> None:
        # The incident first: what it is about must not open another one there.
        await self._hand_incident_over()
        windows = self._handin.windows
        done = await self._handin.turn()
        if self._handin.windows != windows:
            self._spool.put(WINDOWS, write_windows(self._handin.windows))
        if self._away is done:
            _log.info("handing_in" if done else "not_handed_in", why=self._handin.fault)
        self._away = not done
        self._vigil.consider(self.standing, away=self._away)
        if done:
            await self._pages.fetch()
        self._show()

    async def _hand_incident_over(self) -> None:
        local = self._vigil.local()
        if local is None:
            return
        try:
            number, state = await self._office.take_over(local.reference, local.history)
        except OfficeError as error:
            _log.info("incident_not_handed_in", why=str(error))
            return
        if local.incident_id != number:
            _log.info("incident_handed_in", incident=number, reference=local.reference)
        self._vigil.handed_in(local.reference, number, state)

    async def _keep_vigil(self) -> None:
        seen = 0
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                for reminder in self._vigil.remind():
                    _log.warning("clock", clock=reminder.clock.value, moment=reminder.moment.value)
                if self._caller is not None:
                    await self._caller.turn(away=self._away)
                local = self._vigil.local()
                length = 0 if local is None else len(local.history)
                if length != seen:
                    # Somebody has written: a command beside this process perhaps.
                    seen = length
                    self._show()
            except Exception as fault:  # noqa: BLE001 - as above
                _log.error("vigil_broken", **describe_fault(fault))

    def _show(self) -> None:
        self._pages.show(self._vigil.local(), self.standing, self._spool.latest_us())
