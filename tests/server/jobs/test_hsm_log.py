"""The pump as a job: under a lease, again after a failure, and at once for who needs room."""

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from yubihsm.defs import COMMAND

from hsm.audit.source import AuditedDevice, Used
from hsm.device.errors import DeviceError, DeviceUnavailableError
from hsm.device.pool import DevicePool
from hsm.emulator.faults import Fault
from server.hsm_log.alarms import Alarms
from server.hsm_log.reconciler import Reconciler
from server.jobs.hsm_log import PumpJob, aead_reconciling
from server.jobs.runner import JobRunner
from server.leases import LeaseLostError
from tests.hsm.audit.devices import Bench, login
from tests.server.hsm_log.conftest import PumpHouse
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.storage.entries import POLICY


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(clock=StillClock(), default_policy=POLICY)


@pytest.fixture
def house(store: MemoryStore, tmp_path: Path) -> PumpHouse:
    return PumpHouse(Bench().set_up(), tmp_path / "log", store)


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - another thread makes it so, and tells nobody
            await asyncio.sleep(0.005)


async def ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_log_is_carried_away_while_the_service_runs(house: PumpHouse) -> None:
    pump = PumpJob(house.pump, "device", poll_s=0.01)
    runner = JobRunner(house.store, [pump.job], holder="one", clock=StillClock())
    task = asyncio.ensure_future(runner.run())
    await until(house.records)
    house.bench.create_aeads(45)
    await until(lambda: house.bench.log_used == 0)
    await ended(task)
    assert house.alarms() == []
    assert house.store._leases[pump.job.name].holder == "", "somebody else can go on at once"
    await house.pump.close()


async def test_who_needs_room_waits_for_it_and_no_longer(house: PumpHouse) -> None:
    pump = PumpJob(house.pump, "device", poll_s=3600.0)
    task = asyncio.ensure_future(pump.job.run(await house.lease()))
    await until(house.records)
    for _ in range(3):
        house.bench.create_aeads(20)
        await asyncio.gather(pump.make_room(), pump.make_room())
        assert house.bench.log_used == 0
    house.bench.mishaps.plan(*[Fault.UNHEARD] * 99)
    with pytest.raises(DeviceError):
        await pump.make_room()
    await ended(task)
    await house.pump.close()


@pytest.mark.parametrize("waits", [False, True])
async def test_more_aeads_than_the_log_has_room_for_are_made_while_it_is_pumped(
    house: PumpHouse, *, waits: bool
) -> None:
    pump = PumpJob(house.pump, "device", poll_s=0.1)
    task = asyncio.ensure_future(pump.job.run(await house.lease()))
    device = dataclasses.replace(house.bench.device, waits=waits)
    async with DevicePool([device], login("provisioner"), stays=False) as pool:
        for number in range(250):
            aead = await pool.create_otp_aead(0x0101, bytes(16), number.to_bytes(6))
            assert len(aead) == 36
    await pump.make_room()
    await ended(task)
    made = [one for one in house.entries() if one.command == COMMAND.CREATE_OTP_AEAD]
    assert len(made) == 250
    assert house.alarms() == []
    assert house.verdict().fault is None
    await house.pump.close()


async def test_who_finds_the_log_full_and_nobody_at_it_is_told(
    house: PumpHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hsm.device.pool.ROOM_S", 0.1)
    house.bench.create_aeads(62 - house.bench.log_used)
    async with DevicePool([house.bench.device], login("provisioner")) as pool:
        with pytest.raises(DeviceUnavailableError, match="audit pump"):
            await pool.create_otp_aead(0x0101, bytes(16), bytes(6))
    await house.pump.close()


async def test_a_device_that_is_away_is_asked_again_and_complained_of_once(
    house: PumpHouse,
) -> None:
    asked = 0
    real = AuditedDevice(house.bench.device, login("auditor"))

    class Counting(AuditedDevice):
        def used(self) -> Used:
            nonlocal asked
            asked += 1
            return real.used()

    house.pump._source = Counting(house.bench.device, login("auditor"))
    house.bench.mishaps.plan(*[Fault.UNHEARD] * 5)
    pump = PumpJob(house.pump, "device", poll_s=0.001)
    with structlog.testing.capture_logs() as lines:
        task = asyncio.ensure_future(pump.job.run(await house.lease()))
        await until(house.records)
    await ended(task)
    assert asked >= 5
    complaints = [line for line in lines if line["event"] == "hsm_log_not_read"]
    assert len(complaints) == 1
    assert "an emulator" in complaints[0]["error"]
    await house.pump.close()


async def test_who_lost_the_lease_stops(house: PumpHouse) -> None:
    lease = await house.lease()
    await house.store.rest_lease(lease)
    pump = PumpJob(house.pump, "device")
    waiting = asyncio.ensure_future(pump.make_room())
    await asyncio.sleep(0)
    with pytest.raises(LeaseLostError):
        await pump.job.run(lease)
    assert not waiting.done(), "whoever has the lease next sees to it"
    task = asyncio.ensure_future(pump.job.run(await house.lease()))
    await waiting
    await ended(task)
    assert house.bench.log_used == 0
    await house.pump.close()


async def test_what_was_made_is_compared_with_what_is_stored(house: PumpHouse) -> None:
    reconciler = Reconciler(house.store, Alarms(house.counted.append))
    job = aead_reconciling(reconciler)
    assert await JobRunner(house.store, [job], holder="one", clock=StillClock()).turn(job)
    assert reconciler.unaccounted == 0
    await house.pump.close()
