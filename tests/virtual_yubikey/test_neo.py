"""A NEO, which a client knows by its reader's name, and finds out by trying its applications."""

import re

from tests.pcsc_daemon import NEO_READER, PcscDaemon
from tests.virtual_yubikey.identity import yubikey_neo
from tests.virtual_yubikey.yubikey import VirtualYubiKey
from tests.ykman_program import ykman


def test_ykman_agrees_on_a_neo() -> None:
    key = VirtualYubiKey(yubikey_neo(3123456))
    with PcscDaemon([NEO_READER]) as daemon, daemon.insert(key):
        said = ykman("info", reader=daemon.reader())
    assert "Device type: YubiKey NEO\n" in said
    assert "Serial number: 3123456\n" in said
    assert "Firmware version: 3.4.9\n" in said
    for application in ("Yubico OTP", "FIDO U2F", "OATH", "PIV", "OpenPGP"):
        assert re.search(rf"^{application} *\tEnabled", said, re.MULTILINE)
