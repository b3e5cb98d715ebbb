"""kill -9 under load: what was acknowledged stays acknowledged, and the service comes back.

P1: no OTP gets OK twice. P2: stored counters never go back. L1: within 10 s after the fault
ended, a fresh OTP gets OK.
"""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.keystead_process import KeysteadProcess
from tests.postgres_server import PostgresServer
from tests.system.crowd import HANDS, Crowd
from tests.system.loopback import free_port
from tests.system.relying_party import RelyingParty
from tests.system.wire import Wire
from tests.system.workers import some_worker
from tests.system.yubikeys import known_keys
from validation.status import Status

pytestmark = pytest.mark.alone

# A proof is fifty rounds; every run of the tests has some (KEYSTEAD_ROUNDS=50).
ROUNDS = int(os.environ.get("KEYSTEAD_ROUNDS", "20"))
RECOVERY_WITHIN_S = 10.0
MOST_BEFORE_THE_STRIKE = 300

Victim = Callable[[], int]
"""Names the process to kill, once everything is well again after the last time."""

Mend = Callable[[], None]
"""Ends the fault: starts again what the product does not start by itself."""


class Ledger(NamedTuple):
    """What a campaign saw."""

    rounds: int
    accepted: int
    undecided: int
    accepted_again: int
    slowest_recovery_s: float


class Campaign:
    """Rounds of load, a kill, recovery, and the question whether an old OTP gets in."""

    def __init__(self, keystead: KeysteadProcess, url: str) -> None:
        self._keystead = keystead
        self._url = url
        self._party = RelyingParty.enrol(keystead, "crowd")
        *self._keys, self._probe = known_keys(keystead, 2 * HANDS + 1)
        self._counters = self._stored_counters()

    async def run(self, victim: Victim, mend: Mend, *, rounds: int = ROUNDS) -> Ledger:
        """Kill so many times; AssertionError when a promise was broken."""
        accepted = undecided = again = 0
        slowest = 0.0
        for _ in range(rounds):
            pid = victim()
            crowd = Crowd(self._url, self._party, self._keys)
            async with asyncio.TaskGroup() as group:
                group.create_task(crowd.ask())
                await crowd.has_accepted(1 + secrets.randbelow(MOST_BEFORE_THE_STRIKE))
                os.kill(pid, signal.SIGKILL)
                # No newer OTP of these keys: it would hide the loss of an older one.
                crowd.stop()
            mend()
            ended = time.monotonic()
            await self._first_ok()
            slowest = max(slowest, time.monotonic() - ended)
            again += await self._ok_again(crowd)
            accepted += len(crowd.accepted)
            undecided += len(crowd.undecided)
        self._check_counters()
        ledger = Ledger(rounds, accepted, undecided, again, round(slowest, 2))
        assert ledger.accepted_again == 0, ledger
        assert ledger.slowest_recovery_s < RECOVERY_WITHIN_S, ledger
        return ledger

    async def _first_ok(self) -> None:
        """Ask about fresh OTPs until one gets OK."""
        async with asyncio.timeout(3 * RECOVERY_WITHIN_S):
            while True:
                try:
                    async with Wire(self._url, within_s=RECOVERY_WITHIN_S) as wire:
                        told = await self._party.ask(wire, self._probe.press())
                        if told.status is Status.OK:
                            return
                except (OSError, EOFError):
                    pass
                await asyncio.sleep(0.02)

    async def _ok_again(self, crowd: Crowd) -> int:
        """Ask about everything the crowd asked, newest first; return how many got in wrongly.

        An undecided OTP may be accepted now, once.
        """
        wrong = 0
        async with Wire(self._url) as wire:
            for otp in reversed(crowd.accepted):
                wrong += await self._party.decide(wire, otp) is Status.OK
            for otp in crowd.undecided:
                await self._party.decide(wire, otp)
                wrong += await self._party.decide(wire, otp) is Status.OK
        return wrong

    def _stored_counters(self) -> dict[str, tuple[int, int]]:
        listed = self._keystead.cli("key", "list")
        # A key that was never used has no counters yet.
        return {key["public_id"]: (key["session"] or 0, key["use"] or 0) for key in listed["keys"]}

    def _check_counters(self) -> None:
        """P2: hold that no stored counter went back."""
        stored = self._stored_counters()
        for public_id, counters in self._counters.items():
            assert stored[public_id] >= counters
        self._counters = stored


async def test_a_killed_worker_loses_no_acknowledged_otp(
    keystead: KeysteadProcess, tell: Callable[[str], None]
) -> None:
    assert keystead.ready is not None
    campaign = Campaign(keystead, keystead.ready.verify_url)
    # Two stores share the rounds: after each, the supervisor takes its time with the next worker.
    half = ROUNDS // 2
    ledger = await campaign.run(lambda: some_worker(keystead), lambda: None, rounds=half)
    tell(f"kill -9 of a worker: {ledger}")


async def test_a_killed_control_process_loses_no_acknowledged_otp(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    listen = f"127.0.0.1:{free_port()}"
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        keystead.start(workers=2, listen=listen)

        def again() -> None:
            keystead.wait()
            keystead.start(workers=2, listen=listen)

        campaign = Campaign(keystead, f"http://{listen}")
        ledger = await campaign.run(lambda: keystead.pid, again)
    tell(f"kill -9 of the control process: {ledger}")


async def test_a_killed_postgresql_loses_no_acknowledged_otp(
    tmp_path: Path, postgres: PostgresServer, tell: Callable[[str], None]
) -> None:
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        ready = keystead.start(workers=2, database=postgres.new_database())

        def again() -> None:
            postgres.kill9()  # struck already; this waits until it is gone
            postgres.start()

        campaign = Campaign(keystead, ready.verify_url)
        ledger = await campaign.run(lambda: postgres.pid, again)
    tell(f"kill -9 of PostgreSQL: {ledger}")
