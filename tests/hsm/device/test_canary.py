"""No secret is shown: not by what is raised, not by what is logged, not by `repr`."""

import asyncio
import logging
import traceback

import pytest
from yubihsm.defs import COMMAND

from hsm.device.asking import AskedByThread, _Done, _Job
from hsm.device.pool import DevicePool
from hsm.device.session import DeviceSession
from hsm.emulator.faults import Fault, Mishaps
from tests.hsm.device.provisioned import (
    AES_KEY,
    CANARIES,
    OTP_KEY,
    PRIVATE_ID,
    PROVISIONER,
    VALIDATOR,
    a_ciphertext,
    an_emulator,
    here,
)


def _spellings(secret: bytes) -> list[str]:
    return [
        secret.hex(),
        secret.hex().upper(),
        repr(secret)[2:-1],
        repr(bytearray(secret))[12:-2],
        str(list(secret))[1:-1],
        secret.decode("latin-1"),
    ]


async def _all_that_goes_wrong(shown: list[str]) -> None:
    """Go through every mishap with every command, and keep all that is raised and shown."""
    mishaps = Mishaps(an_emulator(), late_s=0)
    for waits in (False, True):
        device = here(mishaps, waits=waits)
        for login in (VALIDATOR, PROVISIONER, VALIDATOR._replace(mac=bytes(16))):
            pool = DevicePool([device], login)
            shown += [repr(login), repr(pool), repr(pool.states()), str(pool.__dict__)]
            shown += [repr(one.__dict__) for one in pool._devices]
            await pool.start()
            for faults in ([], *([fault] * count for fault in Fault for count in (1, 9))):
                mishaps.plan(*faults)
                for _ in range(3):
                    for asked in (
                        pool.create_otp_aead(OTP_KEY, AES_KEY, PRIVATE_ID),
                        pool.create_otp_aead(0x0BAD, AES_KEY, PRIVATE_ID),
                        pool.decrypt_otp(OTP_KEY, AES_KEY + bytes(20), a_ciphertext()),
                    ):
                        try:
                            await asked
                        except Exception as error:  # noqa: BLE001 - that is what is looked at
                            shown.append("".join(traceback.format_exception(error)))
                            shown.append(repr(error) + str(error) + repr(error.args))
            await pool.close()
            shown += [repr(pool.states())]


async def test_s10_no_secret_is_shown_whatever_goes_wrong(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    await _all_that_goes_wrong(shown)
    assert len(shown) > 100
    captured = capfd.readouterr()
    everything = "\n".join([*shown, caplog.text, captured.out, captured.err])
    for secret in CANARIES:
        for spelling in _spellings(secret):
            assert spelling not in everything


async def test_s10_what_waits_hides_what_it_holds() -> None:
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    job = _Job(COMMAND.ECHO, AES_KEY, again=False, since=0.0, future=future)
    assert "hidden" in repr(job)
    assert "hidden" in repr(_Done(future, AES_KEY, None))
    future.cancel()
    for shown in (repr(DeviceSession(here(an_emulator()), VALIDATOR)), repr(VALIDATOR)):
        for secret in CANARIES:
            assert not any(spelling in shown for spelling in _spellings(secret))


class _Faulty(DeviceSession):
    """A session with a fault that the code does not have."""

    def ask(self, command: COMMAND, payload: bytes, *, again: bool) -> bytes:
        del command, payload, again
        raise ZeroDivisionError(AES_KEY)


async def test_a_fault_nobody_foresaw_is_named_without_its_text() -> None:
    owner = AskedByThread(_Faulty(here(an_emulator(), waits=True), VALIDATOR), waiting=5)
    await owner.start()
    with pytest.raises(ZeroDivisionError):
        await owner.ask(COMMAND.ECHO, b"", again=True)
    assert owner.last == "ZeroDivisionError"
    await owner.close()
