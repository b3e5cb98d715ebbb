"""Many OTPs at once while connectors lose, garble, delay and reboot: right, or an outage, or later.

Nothing is lost: each OTP gets exactly one verdict. A wrong OTP is never opened, a right one is
never called invalid, and when the mishaps end everything is as before.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable

import pytest
from yubihsm.core import YubiHsm
from yubihsm.defs import ERROR
from yubihsm.exceptions import YubiHsmError

from hsm.device.address import device_at
from hsm.device.breaker import State
from hsm.device.errors import DeviceRefusedError, DeviceUnavailableError
from hsm.device.pool import DevicePool
from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.emulator.faults import Fault, Mishaps
from hsm.emulator.objects.options import Audit
from hsm.emulator.wire.command import Command
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

_HEALED_WITHIN_S = 2.0
_ASKING = 16
_ROUNDS = 25

_DEADLINE_S = 0.3
_LATE_S = 0.4  # later than anybody waits


async def _an_aead() -> bytes:
    async with DevicePool([here(an_emulator())], PROVISIONER) as pool:
        return await pool.create_otp_aead(OTP_KEY, AES_KEY, PRIVATE_ID)


async def _ask(pool: DevicePool, aead: bytes, use: int, *, right: bool) -> bool:
    """Ask about one OTP: True for a verdict, which has to be right, False for an outage."""
    private_id = PRIVATE_ID if right else b"other!"
    try:
        fields = await pool.decrypt_otp(OTP_KEY, aead, a_ciphertext(use=use, private_id=private_id))
    except InvalidOtpError:
        assert not right, "an OTP that is right was called invalid"
        return True
    except DeviceUnavailableError:
        return False
    except DeviceRefusedError as refused:
        # A handshake in which a bit turned over looks like one with the wrong keys.
        if refused.code is not ERROR.AUTHENTICATION_FAILED:
            raise
        return False
    assert right, "an OTP that is wrong was opened"
    assert (fields.session, fields.use, fields.clock) == (2, use, 77)
    return True


async def _load(pool: DevicePool, aead: bytes, mishap: Callable[[], None]) -> list[bool]:
    """Ask from many sides at once, and let something happen in between."""

    async def one(number: int) -> list[bool]:
        verdicts = []
        for turn in range(_ROUNDS):
            mishap()
            use = (number * _ROUNDS + turn) % 256
            verdicts.append(await _ask(pool, aead, use, right=turn % 3 != 0))
        return verdicts

    return [verdict for part in await asyncio.gather(*map(one, range(_ASKING))) for verdict in part]


async def _heals(pool: DevicePool, aead: bytes) -> None:
    """Wait until every device does everything again, for as long as that may take."""
    until = time.monotonic() + _HEALED_WITHIN_S
    while not (
        await _ask(pool, aead, 1, right=True)
        and all(one.state is State.CLOSED for one in pool.states())
    ):
        assert time.monotonic() < until, pool.states()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("devices", [1, 3])
async def test_whatever_happens_on_the_way_every_otp_gets_the_right_verdict_or_none(
    devices: int,
) -> None:
    aead = await _an_aead()
    chance = random.Random(devices)  # noqa: S311 - which mishaps, not a secret
    ways = [Mishaps(an_emulator(), late_s=_LATE_S) for _ in range(devices)]
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(real_connector(way.transceive)).url for way in ways]
        async with DevicePool([device_at(url, _DEADLINE_S) for url in urls], VALIDATOR) as pool:

            def mishap() -> None:
                if chance.random() < 0.04:
                    chance.choice(ways).plan(chance.choice(list(Fault)))

            verdicts = await _load(pool, aead, mishap)
            assert len(verdicts) == _ASKING * _ROUNDS
            for way in ways:
                way._planned.clear()
            await _heals(pool, aead)
            assert all(await _load(pool, aead, lambda: None))


@pytest.mark.parametrize("fault", [Fault.UNHEARD, Fault.REPLY_LOST, Fault.REBOOT, Fault.GARBLED])
async def test_one_mishap_under_load_costs_nobody_a_verdict(fault: Fault) -> None:
    aead = await _an_aead()
    mishaps = Mishaps(an_emulator())
    with real_connector(mishaps.transceive) as connector:
        async with DevicePool([device_at(connector.url)], VALIDATOR) as pool:
            assert await _ask(pool, aead, 1, right=True)
            mishaps.plan(fault)
            assert all(await _load(pool, aead, lambda: None))


async def test_with_no_device_at_all_nothing_is_opened_and_nothing_is_called_invalid() -> None:
    aead = await _an_aead()
    with real_connector(an_emulator().transceive) as connector:
        async with DevicePool([device_at(connector.url)], VALIDATOR) as pool:
            assert all(await _load(pool, aead, lambda: None))
            await asyncio.to_thread(connector.stop)
            assert not any(await _load(pool, aead, lambda: None))
            await asyncio.to_thread(connector.start)
            await _heals(pool, aead)
            assert all(await _load(pool, aead, lambda: None))


def _fill(emulator: Emulator) -> None:
    with contextlib.suppress(YubiHsmError):
        while True:
            YubiHsm(EmulatorBackend(emulator)).create_session(*PROVISIONER)


async def test_sessions_that_are_full_are_an_outage_that_ends_with_them() -> None:
    aead = await _an_aead()
    emulator = an_emulator()
    _fill(emulator)
    with real_connector(emulator.transceive) as connector:
        async with DevicePool([device_at(connector.url)], VALIDATOR) as pool:
            assert not any(await _load(pool, aead, lambda: None))
            assert "no session free" in pool.states()[0].last
            emulator.device.sessions.end_all()
            await _heals(pool, aead)
            assert all(await _load(pool, aead, lambda: None))


async def test_a_log_that_is_full_is_an_outage_until_somebody_reads_it() -> None:
    aead = await _an_aead()
    emulator = an_emulator()
    options = emulator.device.options
    options.audit[Command.DECRYPT_OTP] = Audit.ON
    options.force_audit = Audit.ON
    with real_connector(emulator.transceive) as connector:
        async with DevicePool([device_at(connector.url)], VALIDATOR) as pool:
            verdicts = await _load(pool, aead, lambda: None)
            assert verdicts[0]
            assert not verdicts[-1]
            assert "full log" in pool.states()[0].last
            options.force_audit = Audit.OFF
            await _heals(pool, aead)
            assert all(await _load(pool, aead, lambda: None))
