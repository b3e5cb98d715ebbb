"""Yubico's own programs read a virtual key through a real PC/SC daemon, and find what it is."""

import pytest

from tests.pcsc_daemon import PcscDaemon
from tests.virtual_yubikey.identity import Identity, yubikey_4, yubikey_5_nfc, yubikey_5c_nfc
from tests.virtual_yubikey.yubikey import VirtualYubiKey
from tests.ykman_program import ykman

LINES = [
    pytest.param(yubikey_4(4123456), "YubiKey 4", id="4.3"),
    pytest.param(yubikey_5_nfc(10234567, "5.2.7"), "YubiKey 5 NFC", id="5.2"),
    pytest.param(yubikey_5_nfc(16234567), "YubiKey 5 NFC", id="5.4"),
    pytest.param(yubikey_5c_nfc(31234567), "YubiKey 5C NFC", id="5.7"),
]


@pytest.mark.parametrize(("identity", "product"), LINES)
def test_ykman_tells_product_serial_and_firmware(
    daemon: PcscDaemon, identity: Identity, product: str
) -> None:
    with daemon.insert(VirtualYubiKey(identity)):
        said = ykman("info", reader=daemon.reader())
    assert f"Device type: {product}\n" in said
    assert f"Serial number: {identity.serial}\n" in said
    assert f"Firmware version: {identity.firmware}\n" in said
