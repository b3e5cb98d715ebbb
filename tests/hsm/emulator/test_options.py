"""The FIPS mode, as one of that series has it: never more allowed than before."""

import pytest
from yubihsm.core import AuthSession, YubiHsm
from yubihsm.defs import ALGORITHM, CAPABILITY, ERROR, FIPS_STATUS
from yubihsm.objects import AsymmetricKey, AuthenticationKey

from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.emulator.wire.firmware import Firmware
from tests.hsm.emulator.refused import refused


def _fips(version: Firmware) -> AuthSession:
    hsm = YubiHsm(EmulatorBackend(Emulator(version, fips_model=True)))
    return hsm.create_session_derived(1, "password")


def test_the_mode_waits_until_the_factorys_key_is_gone() -> None:
    session = _fips(Firmware(2, 4, 1))
    session.set_fips_mode(True)
    assert session.get_fips_status() == FIPS_STATUS.PENDING
    AuthenticationKey(session, 1).delete()
    assert session.get_fips_status() == FIPS_STATUS.ON


def test_what_is_not_approved_cannot_be_turned_on_again() -> None:
    session = _fips(Firmware(2, 4, 1))
    session.set_fips_mode(True)
    with refused(ERROR.ALGORITHM_DISABLED):
        AsymmetricKey.generate(session, 0, "key", 1, CAPABILITY.NONE, ALGORITHM.EC_K256)
    with refused(ERROR.INVALID_DATA):
        session.set_enabled_algorithms({ALGORITHM.EC_K256: True})
    session.set_fips_mode(False)
    assert session.get_enabled_algorithms()[ALGORITHM.EC_K256]


def test_old_firmware_leaves_the_mode_instead() -> None:
    session = _fips(Firmware(2, 3, 1))
    session.set_fips_mode(True)
    assert session.get_fips_status() == FIPS_STATUS.ON
    session.set_enabled_algorithms({ALGORITHM.RSA_PKCS1_SHA1: True})
    assert session.get_fips_status() == FIPS_STATUS.OFF


def test_the_mode_is_set_on_a_fresh_device_only() -> None:
    session = _fips(Firmware(2, 4, 1))
    AsymmetricKey.generate(session, 0, "key", 1, CAPABILITY.NONE, ALGORITHM.EC_P256).delete()
    with refused(ERROR.INVALID_DATA):
        session.set_fips_mode(True)


def test_a_plain_device_knows_no_such_mode(admin: AuthSession) -> None:
    with refused(ERROR.INVALID_DATA):
        admin.get_fips_status()
    with refused(ERROR.INVALID_DATA):
        admin.set_fips_mode(True)


@pytest.mark.parametrize("version", ["2.4", "3.0.0", "", "2.4.1.0"])
def test_versions_that_are_not_emulated_are_refused(version: str) -> None:
    with pytest.raises(ValueError, match=r"2\.4\.1"):
        Firmware.parse(version)
