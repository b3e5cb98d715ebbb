"""What a key tells of itself, read by yubikit's own parser."""

from dataclasses import replace

import pytest
from yubikit.core import PID, TRANSPORT, USB_INTERFACE, YUBIKEY
from yubikit.core.smartcard import ApduError
from yubikit.management import CAPABILITY, DeviceConfig, DeviceInfo, ManagementSession
from yubikit.support import get_name, read_info

from tests.virtual_yubikey.direct import DirectConnection
from tests.virtual_yubikey.identity import (
    Capability,
    Firmware,
    FormFactor,
    Identity,
    security_key_nfc,
    yubikey_4,
    yubikey_4_fips,
    yubikey_5_fips,
    yubikey_5_nfc,
    yubikey_5c_nfc,
    yubikey_bio,
    yubikey_neo,
)
from tests.virtual_yubikey.yubikey import VirtualYubiKey

EVERYTHING = replace(
    yubikey_5c_nfc(31234567, "5.7.4"),
    lock_code=bytes(range(16)),
    usb_enabled=Capability.PIV | Capability.FIDO2,
    nfc_enabled=Capability.FIDO2,
    auto_eject_s=300,
    device_flags=0x40,
    fips=True,
    fips_capable=0b11111,
    fips_approved=0b00010,
    pin_complexity=True,
    nfc_restricted=True,
    reset_blocked=Capability.PIV,
    fps_version=Firmware(3, 1, 4),
    stm_version=Firmware(2, 0, 1),
)
LINES = [
    yubikey_4(4123456),
    yubikey_5_nfc(10234567, "5.2.7"),
    yubikey_5_nfc(16234567),
    yubikey_5_fips(17234567),
    yubikey_5c_nfc(31234567, "5.7.2"),
    yubikey_bio("5.7.4"),
    security_key_nfc(),
    EVERYTHING,
]


def told(identity: Identity) -> DeviceInfo:
    with DirectConnection(VirtualYubiKey(identity)) as connection:
        return ManagementSession(connection).read_device_info()


@pytest.mark.parametrize("identity", LINES, ids=lambda identity: str(identity.firmware))
def test_a_parser_that_is_not_ours_reads_what_was_configured(identity: Identity) -> None:
    info = told(identity)
    assert info.serial == identity.serial
    assert tuple(info.version) == identity.firmware
    assert info.supported_capabilities[TRANSPORT.USB] == CAPABILITY(identity.usb_supported)
    assert info.is_locked == (identity.lock_code is not None)
    if identity.firmware < (5, 0):
        assert TRANSPORT.USB not in info.config.enabled_capabilities
        return
    enabled = info.config.enabled_capabilities
    assert enabled[TRANSPORT.USB] == CAPABILITY(identity.usb_enabled)
    nfc = enabled.get(TRANSPORT.NFC)
    assert (None if nfc is None else int(nfc)) == identity.nfc_enabled
    assert info.form_factor == int(identity.form_factor)
    assert (info.is_fips, info.is_sky) == (identity.fips, identity.security_key)
    assert info.config.auto_eject_timeout == identity.auto_eject_s
    assert info.config.device_flags == identity.device_flags


def test_the_second_page_of_firmware_5_7_is_read() -> None:
    info = told(EVERYTHING)
    assert info.part_number == EVERYTHING.part_number
    assert info.fips_approved == CAPABILITY.PIV
    assert info.fips_capable == CAPABILITY._from_fips(0b11111)
    assert info.pin_complexity
    assert info.config.nfc_restricted
    assert info.reset_blocked == CAPABILITY.PIV
    assert tuple(info.fps_version or ()) == (3, 1, 4)
    assert tuple(info.stm_version or ()) == (2, 0, 1)


def test_firmware_before_5_7_has_one_page() -> None:
    key = VirtualYubiKey(yubikey_5_nfc(16234567))
    with DirectConnection(key) as connection:
        backend = ManagementSession(connection).backend
        with pytest.raises(ApduError):
            backend.read_config(1)


def test_a_neo_tells_by_its_applications_only() -> None:
    with DirectConnection(VirtualYubiKey(yubikey_neo(3123456))) as connection:
        info = read_info(connection, _neo())
    assert tuple(info.version) == (3, 4, 9)
    assert info.serial == 3123456
    assert info.form_factor == int(FormFactor.UNKNOWN)
    assert CAPABILITY.PIV in info.supported_capabilities[TRANSPORT.USB]


def test_applications_are_switched_off_by_whoever_knows_the_lock_code() -> None:
    key = VirtualYubiKey(EVERYTHING)
    wanted = DeviceConfig({TRANSPORT.USB: CAPABILITY.PIV})
    with DirectConnection(key) as connection:
        session = ManagementSession(connection)
        for code in (None, bytes(16)):
            with pytest.raises(ApduError):
                session.write_device_config(wanted, cur_lock_code=code)
        assert key.identity == EVERYTHING
        session.write_device_config(wanted, cur_lock_code=EVERYTHING.lock_code)
        assert session.read_device_info().config.enabled_capabilities[TRANSPORT.USB] == (
            CAPABILITY.PIV
        )


def _neo() -> PID:
    return PID.of(YUBIKEY.NEO, USB_INTERFACE.OTP | USB_INTERFACE.CCID)


@pytest.mark.parametrize(
    ("identity", "product"),
    [
        (yubikey_neo(3123456), "YubiKey NEO"),
        (yubikey_4(4123456), "YubiKey 4"),
        (yubikey_4_fips(4223456), "YubiKey FIPS (4 Series)"),
        (yubikey_5_nfc(16234567), "YubiKey 5 NFC"),
        (yubikey_5_fips(17234567), "YubiKey 5 NFC FIPS"),
        (yubikey_5c_nfc(31234567), "YubiKey 5C NFC"),
        (yubikey_bio(), "YubiKey Bio - FIDO Edition"),
        (security_key_nfc(), "Security Key NFC"),
    ],
)
def test_product_lines_are_told_apart(identity: Identity, product: str) -> None:
    neo = identity.firmware < (4, 0)
    pid = PID.of(YUBIKEY.NEO if neo else YUBIKEY.YK4, USB_INTERFACE.OTP | USB_INTERFACE.CCID)
    with DirectConnection(VirtualYubiKey(identity)) as connection:
        info = read_info(connection, pid)
    assert get_name(info, pid.yubikey_type) == product
