"""FIDO2 as python-fido2 meets it, over NFC and HID: facts without a PIN, and a PIN that is kept."""

from collections.abc import Callable

import pytest
from fido2.ctap import CtapError
from fido2.ctap2.base import Ctap2
from fido2.ctap2.pin import ClientPin, PinProtocolV1, PinProtocolV2
from fido2.hid import CtapHidDevice
from yubikit.core.fido import SmartCardCtapDevice
from yubikit.management import ManagementSession

from tests.virtual_yubikey.direct import DirectConnection
from tests.virtual_yubikey.fido_hid import VirtualHidConnection, descriptor
from tests.virtual_yubikey.identity import (
    Identity,
    Transport,
    security_key_nfc,
    yubikey_4,
    yubikey_5_nfc,
    yubikey_5c_nfc,
    yubikey_bio,
)
from tests.virtual_yubikey.yubikey import VirtualYubiKey

NEW = yubikey_5c_nfc(31234567)


def over_nfc(key: VirtualYubiKey) -> Ctap2:
    return Ctap2(SmartCardCtapDevice(DirectConnection(key, Transport.NFC)))


def over_hid(key: VirtualYubiKey) -> Ctap2:
    return Ctap2(CtapHidDevice(descriptor(), VirtualHidConnection(key)))


@pytest.mark.parametrize("connect", [over_nfc, over_hid])
@pytest.mark.parametrize("identity", [yubikey_5_nfc(10234567, "5.2.7"), NEW, security_key_nfc()])
def test_facts_are_told_without_a_pin(
    identity: Identity, connect: Callable[[VirtualYubiKey], Ctap2]
) -> None:
    key = VirtualYubiKey(identity)
    key.fido.state.remaining = 77
    key.fido.state.must_change = True
    info = connect(key).info
    assert bytes(info.aaguid) == key.fido.state.aaguid
    assert info.options["clientPin"] is False
    if identity.firmware >= (5, 7):
        assert info.firmware_version == 0x050704
        assert info.remaining_disc_creds == 77
        assert info.force_pin_change
        assert info.options["alwaysUv"] is False
    key.fido.set_pin("1234567")
    assert connect(key).info.options["clientPin"] is True


@pytest.mark.parametrize("protocol", [PinProtocolV1(), PinProtocolV2()])
def test_a_client_sets_changes_and_proves_the_pin(protocol: PinProtocolV1) -> None:
    ctap = over_hid(VirtualYubiKey(NEW))
    pin = ClientPin(ctap, protocol)
    pin.set_pin("1234567")
    pin.change_pin("1234567", "7654321")
    assert len(pin.get_pin_token("7654321")) == 32
    with pytest.raises(CtapError) as refused:
        pin.get_pin_token("1234567")
    assert refused.value.code == CtapError.ERR.PIN_INVALID
    assert pin.get_pin_retries()[0] == 7


def test_three_wrong_pins_in_a_row_block_until_power_is_lost_and_eight_for_good() -> None:
    key = VirtualYubiKey(NEW)
    key.fido.set_pin("1234567")
    left = 8
    while left:
        pin = ClientPin(over_nfc(key))
        for _ in range(3):
            if left:
                left -= 1
                with pytest.raises(CtapError):
                    pin.get_pin_token("000000")
                assert pin.get_pin_retries()[0] == left
        if left:
            with pytest.raises(CtapError) as refused:
                pin.get_pin_token("1234567")
            assert refused.value.code == CtapError.ERR.PIN_AUTH_BLOCKED
            assert pin.get_pin_retries() == (left, True)
    with pytest.raises(CtapError) as refused:
        ClientPin(over_nfc(key)).get_pin_token("1234567")
    assert refused.value.code == CtapError.ERR.PIN_BLOCKED


def test_a_pin_shorter_than_the_minimum_is_refused() -> None:
    key = VirtualYubiKey(NEW)
    key.fido.state.minimum = 6
    with pytest.raises(CtapError) as refused:
        ClientPin(over_hid(key)).set_pin("12345")
    assert refused.value.code == CtapError.ERR.PIN_POLICY_VIOLATION


def test_a_bio_tells_fingerprints_and_their_tries() -> None:
    key = VirtualYubiKey(yubikey_bio())
    key.fido.state.fingerprints = True
    key.fido.state.uv_tries = 2
    ctap = over_hid(key)
    assert ctap.info.options["bioEnroll"] is True
    assert ClientPin(ctap).get_uv_retries() == 2


def test_a_key_of_the_4_series_knows_no_ctap2() -> None:
    key = VirtualYubiKey(yubikey_4(4123456))
    with pytest.raises(ValueError, match="CTAP2"):
        over_hid(key)


def test_management_is_read_over_hid_as_over_the_card() -> None:
    key = VirtualYubiKey(NEW)
    hid = VirtualHidConnection(key)
    told = ManagementSession(CtapHidDevice(descriptor(), hid)).read_device_info()
    with DirectConnection(key) as connection:
        assert told == ManagementSession(connection).read_device_info()
    assert [command for command, _ in hid.asked] == [0x06, 0x42, 0x42]


def test_a_reset_asks_for_a_touch() -> None:
    key = VirtualYubiKey(NEW)
    key.fido.set_pin("1234567")
    ctap = over_hid(key)
    with pytest.raises(CtapError):
        ctap.reset()
    key.finger.touches = True
    ctap.reset()
    assert ctap.get_info().options["clientPin"] is False


def test_over_usb_a_reset_of_the_card_forgives_no_wrong_pins() -> None:
    key = VirtualYubiKey(NEW)
    key.fido.set_pin("1234567")
    pin = ClientPin(over_hid(key))
    for _ in range(3):
        with pytest.raises(CtapError):
            pin.get_pin_token("000000")
    key.reset(Transport.USB)
    assert pin.get_pin_retries() == (5, True)
    key.power(Transport.USB)
    assert pin.get_pin_retries() == (5, None)
