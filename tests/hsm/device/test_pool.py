"""Pools: the least loaded device that works, outages survived, never an outage for a wrong OTP."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest
from yubihsm.backends import YhsmBackend
from yubihsm.core import YubiHsm
from yubihsm.defs import COMMAND, ERROR

from hsm.device.address import device_at
from hsm.device.breaker import State
from hsm.device.errors import (
    DeviceRefusedError,
    DeviceUnavailableError,
    Outage,
    SessionBrokenError,
)
from hsm.device.line import Device
from hsm.device.pool import DevicePool
from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.emulator.faults import Fault, Mishaps
from hsm.emulator.objects.record import Record
from hsm.emulator.wire.kind import Kind
from tests.hsm.device.connectors import real_connector
from tests.hsm.device.provisioned import (
    AES_KEY,
    OTP_KEY,
    PRIVATE_ID,
    PROVISIONER,
    VALIDATOR,
    a_ciphertext,
    an_emulator,
    here,
)
from validation.otp import InvalidOtpError

HEALED_WITHIN_S = 2.0
_WRONG = a_ciphertext(private_id=b"other!")


async def _an_aead(emulator: Emulator) -> bytes:
    async with DevicePool([here(emulator)], PROVISIONER) as pool:
        return await pool.create_otp_aead(OTP_KEY, AES_KEY, PRIVATE_ID)


@pytest.fixture
async def aead() -> bytes:
    """Provide an AEAD that opens in every device that tests make."""
    return await _an_aead(an_emulator())


async def _opens(pool: DevicePool, aead: bytes, use: int = 3) -> None:
    fields = await pool.decrypt_otp(OTP_KEY, aead, a_ciphertext(use=use))
    assert (fields.session, fields.use, fields.clock) == (2, use, 77)


def _without(emulator: Emulator, kind: Kind, object_id: int) -> Record:
    """Take an object out of a device, and return it."""
    record = emulator.device.store.get(kind, object_id)
    assert record is not None
    emulator.device.store.remove(record)
    return record


async def _heals(pool: DevicePool, aead: bytes) -> None:
    """Wait until OTPs are opened again, for as long as that may take."""
    until = time.monotonic() + HEALED_WITHIN_S
    while True:
        try:
            await _opens(pool, aead)
        except (DeviceUnavailableError, DeviceRefusedError):
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.02)
        else:
            return


@pytest.mark.parametrize("waits", [False, True])
async def test_otps_are_opened_and_wrong_ones_are_invalid(aead: bytes, *, waits: bool) -> None:
    emulator = an_emulator()
    async with DevicePool([here(emulator, waits=waits)], VALIDATOR) as pool:
        await asyncio.gather(*(_opens(pool, aead, use) for use in range(1, 60)))
        with pytest.raises(InvalidOtpError):
            await pool.decrypt_otp(OTP_KEY, aead, _WRONG)
        await _opens(pool, aead)
        assert [one.load for one in pool.states()] == [0]
    assert len(emulator.device.sessions) == 0


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("fault", Fault)
async def test_one_mishap_is_survived_by_a_single_device(
    aead: bytes, fault: Fault, *, waits: bool
) -> None:
    mishaps = Mishaps(an_emulator(), late_s=0.01)
    async with DevicePool([here(mishaps, waits=waits)], VALIDATOR) as pool:
        await _opens(pool, aead)
        mishaps.plan(fault)
        await _opens(pool, aead)
        mishaps.plan(fault)
        with pytest.raises(InvalidOtpError):
            await pool.decrypt_otp(OTP_KEY, aead, _WRONG)


async def test_what_may_not_be_done_twice_is_not(aead: bytes) -> None:
    del aead
    emulator = an_emulator()
    mishaps = Mishaps(emulator)
    async with DevicePool([here(mishaps), here(an_emulator())], PROVISIONER) as pool:
        await pool.get_pseudo_random(8)
        await pool.get_pseudo_random(8)
        mishaps.plan(None, Fault.REPLY_LOST)  # first it is asked whether the session stands
        lost = 0
        for _ in range(2):  # one for each device
            try:
                await pool.create_otp_aead(OTP_KEY, AES_KEY, PRIVATE_ID)
            except SessionBrokenError:
                lost += 1
        assert lost == 1
        assert len(await pool.create_otp_aead(OTP_KEY, AES_KEY, PRIVATE_ID)) == 36


async def test_a_credential_is_sealed_after_a_silence_in_which_the_session_ended() -> None:
    now = 1000.0
    emulator = an_emulator(lambda: now)
    async with DevicePool([here(emulator)], PROVISIONER, stays=False) as pool:
        await pool.create_otp_aead(OTP_KEY, AES_KEY, PRIVATE_ID)
        now += 31
        assert await pool.create_otp_aead(OTP_KEY, AES_KEY, PRIVATE_ID)


async def test_random_octets_come_from_a_device() -> None:
    async with DevicePool([here(an_emulator(), waits=True)], PROVISIONER) as pool:
        assert len({await pool.get_pseudo_random(16) for _ in range(5)}) == 5


async def test_nobody_is_asked_after_the_end(aead: bytes) -> None:
    for waits in (False, True):
        pool = DevicePool([here(an_emulator(), waits=waits)], VALIDATOR)
        await pool.start()
        await _opens(pool, aead)
        await pool.close()
        with pytest.raises(DeviceUnavailableError) as caught:
            await _opens(pool, aead)
        assert caught.value.outage is Outage.CLOSED


class _Gate:
    """A way to a device that opens when a test says so."""

    def __init__(self, way: Callable[[bytes], bytes]) -> None:
        self._way = way
        self.open = threading.Event()
        self.open.set()
        self.waiting = threading.Event()

    def transceive(self, raw: bytes) -> bytes:
        if not self.open.is_set():
            self.waiting.set()
        assert self.open.wait(20)
        return self._way(raw)


async def test_the_queue_has_an_end_and_what_waits_is_done(aead: bytes) -> None:
    gate = _Gate(an_emulator().transceive)
    async with DevicePool([here(gate, waits=True)], VALIDATOR, waiting=5) as pool:
        await _opens(pool, aead)
        gate.open.clear()
        waiting = [asyncio.ensure_future(_opens(pool, aead)) for _ in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(DeviceUnavailableError) as caught:
            await _opens(pool, aead)
        assert caught.value.outage is Outage.CROWDED
        gate.open.set()
        await asyncio.gather(*waiting)


async def test_who_gave_up_is_not_asked_for(aead: bytes) -> None:
    emulator = an_emulator()
    asked = []

    def counted(raw: bytes) -> bytes:
        asked.append(raw)
        return emulator.transceive(raw)

    gate = _Gate(counted)
    async with DevicePool([here(gate, waits=True)], VALIDATOR) as pool:
        await _opens(pool, aead)
        gate.open.clear()
        first = asyncio.ensure_future(_opens(pool, aead))
        await asyncio.to_thread(gate.waiting.wait, 20)
        given_up = [asyncio.ensure_future(_opens(pool, aead)) for _ in range(5)]
        await asyncio.sleep(0)
        for task in given_up:
            task.cancel()
        await asyncio.wait(given_up)
        before = len(asked)
        gate.open.set()
        await first
        await _opens(pool, aead)
        assert len(asked) - before == 2
        assert [one.load for one in pool.states()] == [0]


async def test_the_least_loaded_device_is_asked(aead: bytes) -> None:
    slow, quick = _Gate(an_emulator().transceive), an_emulator()
    devices = [here(slow, waits=True, name="slow"), here(quick, waits=True, name="quick")]
    async with DevicePool(devices, VALIDATOR) as pool:
        slow.open.clear()
        stuck = [asyncio.ensure_future(_opens(pool, aead)) for _ in range(2)]
        await asyncio.to_thread(slow.waiting.wait, 20)
        for _ in range(20):
            await _opens(pool, aead)
        assert [one.load for one in pool.states() if one.where == "slow"] == [1]
        slow.open.set()
        await asyncio.gather(*stuck)


async def test_a_device_that_is_made_otherwise_harms_nobody_while_another_works(
    aead: bytes,
) -> None:
    without = an_emulator()
    _without(without, Kind.OTP_AEAD_KEY, OTP_KEY)
    devices = [here(without, waits=True, name="without"), here(an_emulator(), waits=True)]
    async with DevicePool(devices, VALIDATOR) as pool:
        for _ in range(30):
            await _opens(pool, aead)
        (state,) = [one for one in pool.states() if one.where == "without"]
        assert "no such object" in state.last


async def test_a_device_alone_that_is_made_otherwise_says_what_is_wrong(aead: bytes) -> None:
    without = an_emulator()
    _without(without, Kind.OTP_AEAD_KEY, OTP_KEY)
    async with DevicePool([here(without, waits=True)], VALIDATOR) as pool:
        with pytest.raises(DeviceRefusedError) as caught:
            await _opens(pool, aead)
        assert caught.value.code is ERROR.OBJECT_NOT_FOUND
        with pytest.raises((DeviceUnavailableError, DeviceRefusedError), match="no such object"):
            await _opens(pool, aead)


async def test_a_wrong_credential_is_told_and_heals_when_it_is_right(aead: bytes) -> None:
    emulator = an_emulator()
    held = _without(emulator, Kind.AUTHENTICATION_KEY, VALIDATOR.role)
    async with DevicePool([here(emulator, waits=True)], VALIDATOR) as pool:
        assert [one.state for one in pool.states()] == [State.OPEN]
        with pytest.raises(DeviceUnavailableError, match="credential"):
            await _opens(pool, aead)
        emulator.device.store.add(held)
        await _heals(pool, aead)


async def test_a_connector_that_starts_later_is_found(aead: bytes) -> None:
    with real_connector(an_emulator().transceive) as connector:
        connector.stop()
        async with DevicePool([device_at(connector.url)], VALIDATOR) as pool:
            with pytest.raises(DeviceUnavailableError, match="cannot be reached"):
                await _opens(pool, aead)
            await asyncio.to_thread(connector.start)
            await _heals(pool, aead)


async def test_a_pool_goes_on_while_one_connector_is_down_and_takes_it_back(aead: bytes) -> None:
    with (
        real_connector(an_emulator().transceive) as first,
        real_connector(an_emulator().transceive) as second,
    ):
        devices = [device_at(one.url) for one in (first, second)]
        async with DevicePool(devices, VALIDATOR) as pool:
            await asyncio.gather(*(_opens(pool, aead, use) for use in range(20)))
            await asyncio.to_thread(first.stop)
            for use in range(20):
                await _opens(pool, aead, use)
            await asyncio.to_thread(first.start)
            until = time.monotonic() + HEALED_WITHIN_S
            while any(one.state is not State.CLOSED for one in pool.states()):
                assert time.monotonic() < until
                await _opens(pool, aead)
                await asyncio.sleep(0.01)


async def test_a_device_that_hangs_is_left_alone_and_taken_back(aead: bytes) -> None:
    gate = _Gate(an_emulator().transceive)
    with real_connector(gate.transceive) as connector:
        async with DevicePool([device_at(connector.url, 0.2)], VALIDATOR) as pool:
            await _opens(pool, aead)
            gate.open.clear()
            with pytest.raises(DeviceUnavailableError, match="did not answer in time"):
                await _opens(pool, aead)
            with pytest.raises(DeviceUnavailableError) as caught:
                await _opens(pool, aead)
            assert caught.value.outage is Outage.RESTING
            gate.open.set()
            await _heals(pool, aead)


async def test_s16_a_device_that_hangs_holds_up_nobody_else(aead: bytes) -> None:
    gate = _Gate(an_emulator().transceive)
    with real_connector(gate.transceive) as connector:
        async with DevicePool([device_at(connector.url, 20)], VALIDATOR) as pool:
            await _opens(pool, aead)
            gate.open.clear()
            waiting = asyncio.ensure_future(_opens(pool, aead))
            await asyncio.to_thread(gate.waiting.wait, 20)
            for _ in range(1000):
                await asyncio.sleep(0)
            assert not waiting.done()
            gate.open.set()
            await waiting


async def test_a_device_busy_for_long_finds_no_sessions_that_everybody_gave_up(
    monkeypatch: pytest.MonkeyPatch, aead: bytes
) -> None:
    monkeypatch.setattr("hsm.device.breaker.LONGEST_WAIT_S", 0.02)
    emulator = an_emulator()
    gate = _Gate(emulator.transceive)
    with real_connector(gate.transceive) as connector:
        for _ in range(10):  # others', so that few places are left
            YubiHsm(EmulatorBackend(emulator)).create_session(*PROVISIONER)
        async with DevicePool([device_at(connector.url, 0.1)], VALIDATOR) as pool:
            await _heals(pool, aead)
            gate.open.clear()
            with pytest.raises(DeviceUnavailableError):
                await _opens(pool, aead)
            await asyncio.sleep(1.2)  # the longer, the more is sent to it meanwhile
            gate.open.set()
            await _heals(pool, aead)
            assert len(emulator.device.sessions) <= 10 + 2


async def test_a_reboot_in_the_middle_of_a_command_is_survived(aead: bytes) -> None:
    mishaps = Mishaps(an_emulator())
    with real_connector(mishaps.transceive) as connector:
        async with DevicePool([device_at(connector.url)], VALIDATOR) as pool:
            await _opens(pool, aead)
            for _ in range(5):
                mishaps.plan(Fault.REBOOT)
                await _opens(pool, aead)


class _Watched(YhsmBackend):
    """Notes which threads send a session's messages."""

    def __init__(self, way: Callable[[bytes], bytes], seen: dict[bytes, set[int]]) -> None:
        self._way = way
        self._seen = seen
        self._inside = threading.Lock()

    def transceive(self, msg: bytes) -> bytes:
        assert self._inside.acquire(blocking=False), "two threads on one connection"
        try:
            if msg[0] == COMMAND.SESSION_MESSAGE:
                self._seen.setdefault(msg[3:4], set()).add(threading.get_ident())
            return self._way(msg)
        finally:
            self._inside.release()

    def close(self) -> None:
        pass


async def test_two_threads_never_share_a_session(aead: bytes) -> None:
    emulator = an_emulator()
    turn = EmulatorBackend(emulator)
    seen: dict[bytes, set[int]] = {}
    devices = [
        Device(str(number), lambda: _Watched(turn.another().transceive, seen))
        for number in range(6)
    ]
    async with DevicePool(devices, VALIDATOR) as pool:
        await asyncio.gather(*(_opens(pool, aead, use % 256) for use in range(600)))
    assert len(seen) == 6
    assert all(len(threads) == 1 for threads in seen.values())
    assert len(set.union(*seen.values())) == 6


async def test_a_role_that_is_rarely_used_holds_no_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hsm.device.asking.KEEP_ALIVE_S", 0.02)
    emulator = an_emulator()
    async with DevicePool([here(emulator, waits=True)], PROVISIONER, stays=False) as pool:
        assert len(emulator.device.sessions) == 0
        assert len(await pool.get_pseudo_random(8)) == 8
        until = time.monotonic() + 10
        while len(emulator.device.sessions):
            assert time.monotonic() < until
            await asyncio.sleep(0.01)
        assert len(await pool.get_pseudo_random(8)) == 8


async def test_a_silent_pool_keeps_its_sessions(
    monkeypatch: pytest.MonkeyPatch, aead: bytes
) -> None:
    monkeypatch.setattr("hsm.device.asking.KEEP_ALIVE_S", 0.01)
    emulator = an_emulator()
    echoes = threading.Semaphore(0)

    def counted(raw: bytes) -> bytes:
        echoes.release()
        return emulator.transceive(raw)

    device = Device("counted", lambda: _Watched(counted, {}))
    async with DevicePool([device], VALIDATOR) as pool:
        for _ in range(20):
            assert await asyncio.to_thread(echoes.acquire, timeout=10)
        await _opens(pool, aead)
    assert len(emulator.device.sessions) == 0


def test_a_pool_has_devices() -> None:
    with pytest.raises(ValueError, match="at least one"):
        DevicePool([], VALIDATOR)


async def test_shutting_down_waits_for_nobody(aead: bytes) -> None:
    gate = _Gate(an_emulator().transceive)
    with real_connector(gate.transceive) as connector:
        pool = DevicePool([device_at(connector.url, 0.2)], VALIDATOR)
        await pool.start()
        await _opens(pool, aead)
        gate.open.clear()
        waiting = [asyncio.ensure_future(_opens(pool, aead)) for _ in range(5)]
        await asyncio.sleep(0)
        await pool.close()
        done, _ = await asyncio.wait(waiting, timeout=20)
        assert len(done) == 5
        assert all(isinstance(task.exception(), DeviceUnavailableError) for task in done)
        gate.open.set()
