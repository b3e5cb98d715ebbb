"""S21: the host's clock jumps by an hour or ten years, to and fro, under a running service."""

import asyncio
import math
import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.keystead_process import KeysteadProcess
from tests.system.conftest import PATIENT, WORKERS
from tests.system.relying_party import RelyingParty
from tests.system.wire import Wire
from tests.system.yubikeys import YubiKey, known_keys
from tests.system_programs import require_file
from validation.status import Status

HOUR = timedelta(hours=1)
DECADE = timedelta(days=3650)
HOME = timedelta()
JUMPS = (HOUR, HOME, -HOUR, HOME, DECADE, HOME, -DECADE, HOME, DECADE, -DECADE, HOME)

RATE_PER_S = 5
BURST = 10


class Faked(NamedTuple):
    """A service whose wall clock is ours to set; its monotonic clock runs on."""

    keystead: KeysteadProcess
    clock: Path

    def jump(self, offset: timedelta) -> None:
        """Set the service's clock to so much before or after the real time."""
        later = Path(f"{self.clock}.new")
        later.write_text(f"{offset.total_seconds():+.0f}\n")
        later.rename(self.clock)


@pytest.fixture(scope="module")
def faked(tmp_path_factory: pytest.TempPathFactory, database: str | None) -> Iterator[Faked]:
    """Run the service; PostgreSQL, mostly on another machine, keeps the real time."""
    library = require_file("/usr/lib/*/faketime/libfaketimeMT.so.1", package="libfaketime")
    folder = tmp_path_factory.mktemp("faked")
    clock = folder / "clock"
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with KeysteadProcess(folder / "var", environment=environment) as keystead:
        faked = Faked(keystead, clock)
        faked.jump(HOME)
        keystead.init()
        keystead.configure(PATIENT)
        keystead.start(workers=WORKERS, database=database)
        yield faked


async def test_s21_no_jump_lets_an_otp_in_twice_or_stops_a_fresh_one(faked: Faked) -> None:
    ready = faked.keystead.ready
    assert ready is not None
    party = RelyingParty.enrol(faked.keystead, "jumps")
    key, other = known_keys(faked.keystead, 2)
    async with Wire(ready.verify_url) as wire:
        for offset in JUMPS:
            before = key.press()
            assert (await party.ask(wire, before)).status is Status.OK
            faked.jump(offset)
            fresh = other.press()
            told = await party.ask(wire, fresh)
            assert told.status is Status.OK
            assert_well_formed(told.http.body, datetime.now(UTC) + offset)
            for otp in (before, fresh):
                assert (await party.ask(wire, otp)).status is Status.REPLAYED_OTP


async def test_s21_no_jump_blocks_a_client_or_gives_it_more_than_a_burst(faked: Faked) -> None:
    ready = faked.keystead.ready
    assert ready is not None
    rate = ("--rate", str(RATE_PER_S), "--burst", str(BURST))
    party = RelyingParty.enrol(faked.keystead, "spends", *rate)
    keys = known_keys(faked.keystead, BURST + 5)
    async with Wire(ready.verify_url) as wire:
        for offset in JUMPS:
            faked.jump(offset)
            began = time.monotonic()
            told = [await party.ask(wire, key.press()) for key in keys]
            refilled = math.ceil((time.monotonic() - began) * RATE_PER_S)
            counted = Counter(each.status for each in told)
            assert counted[Status.OK] <= BURST + refilled + 1
            for each in told:
                if each.status is not Status.OK:
                    assert each.status is Status.OPERATION_NOT_ALLOWED
                    assert int(each.http.headers["retry-after"]) <= 2
            # Whatever was spent at another time, a session is free again within a step.
            assert await is_served_within(2.0, party, wire, keys[0])


async def is_served_within(seconds: float, party: RelyingParty, wire: Wire, key: YubiKey) -> bool:
    """Tell whether the client gets an OK again before so much time has passed."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if (await party.ask(wire, key.press())).status is Status.OK:
            return True
        await asyncio.sleep(0.05)
    return False


def assert_well_formed(body: bytes, expected: datetime) -> None:
    """Hold that `t` is there as the reference prints it, and is the service's time."""
    found = re.search(rb"^t=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)0\d{3}\r$", body, re.MULTILINE)
    assert found is not None, body
    told = datetime.strptime(found[1].decode(), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs(told - expected) < timedelta(minutes=1)
