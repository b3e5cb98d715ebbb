"""Yubico's own programs read virtual keys through a real PC/SC daemon, and find what they are."""

import re

import pytest

from tests.pcsc_daemon import PcscDaemon
from tests.virtual_yubikey.identity import (
    Capability,
    Identity,
    security_key_nfc,
    yubikey_4,
    yubikey_5_nfc,
    yubikey_5c_nfc,
)
from tests.virtual_yubikey.oath import OathAccount
from tests.virtual_yubikey.openpgp_state import AUTHENTICATION, DECRYPTION, TouchRule
from tests.virtual_yubikey.otp import OtpSlot
from tests.virtual_yubikey.piv_keys import KeyType, PinPolicy, TouchPolicy
from tests.virtual_yubikey.yubikey import VirtualYubiKey
from tests.ykman_program import ykman

NFC = 2  # the first slot of the second reader
LINES = [
    pytest.param(yubikey_4(4123456), "YubiKey 4", id="4.3"),
    pytest.param(yubikey_5_nfc(10234567, "5.2.7"), "YubiKey 5 NFC", id="5.2"),
    pytest.param(yubikey_5_nfc(16234567), "YubiKey 5 NFC", id="5.4"),
    pytest.param(yubikey_5c_nfc(31234567), "YubiKey 5C NFC", id="5.7"),
]
COLUMNS = {
    "Yubico OTP": Capability.OTP,
    "FIDO U2F": Capability.U2F,
    "FIDO2": Capability.FIDO2,
    "OATH": Capability.OATH,
    "PIV": Capability.PIV,
    "OpenPGP": Capability.OPENPGP,
    "YubiHSM Auth": Capability.HSMAUTH,
}


def told(said: str) -> dict[str, str]:
    """Return the lines "name: value" of what ykman says."""
    return dict(re.findall(r"^\s*([^:\n]+): +(.*\S)\s*$", said, re.MULTILINE))


def used(identity: Identity) -> VirtualYubiKey:
    """Return a key that somebody uses: nothing about it is as the factory left it."""
    key = VirtualYubiKey(identity)
    key.piv.state.pin.change(b"654321\xff\xff")
    key.piv.state.pin.left = 1
    key.piv.state.puk.left = 2
    key.piv.put_key(0x9A, KeyType.ECCP384, PinPolicy.ALWAYS, TouchPolicy.CACHED)
    key.oath.accounts[b"mail"] = OathAccount()
    key.oath.set_password("open sesame")
    key.openpgp.state.user.left = 2
    key.openpgp.state.admin.left = 1
    key.openpgp.state.each_time = False
    key.openpgp.state.touch[DECRYPTION] = TouchRule.ON
    key.openpgp.state.touch[AUTHENTICATION] = TouchRule.FIXED
    key.otp.slots[1] = OtpSlot(touch=False)
    key.fido.set_pin("1234567")
    key.fido.state.tries = 5
    return key


@pytest.mark.parametrize(("identity", "product"), LINES)
def test_ykman_agrees_on_every_fact_of_a_used_key(
    daemon: PcscDaemon, identity: Identity, product: str
) -> None:
    reader = daemon.reader()
    new = identity.firmware >= (5, 7)
    key = used(identity)
    with daemon.insert(key):
        said = ykman("info", reader=reader)
        facts = told(said)
        assert facts["Device type"] == product
        assert facts["Serial number"] == str(identity.serial)
        assert facts["Firmware version"] == str(identity.firmware)
        for title, capability in COLUMNS.items():
            state = re.search(rf"^{title} *\t(\w+)", said, re.MULTILINE)
            assert state is not None
            enabled = capability in identity.usb_enabled
            assert state[1] == ("Enabled" if enabled else "Not")

        said = ykman("piv", "info", reader=reader)
        facts = told(said)
        assert facts["PIV version"] == str(identity.firmware)
        assert facts["PIN tries remaining"] == (
            "1/3" if new or identity.firmware >= (5, 3) else "1"
        )
        assert facts["Management key algorithm"] == ("AES192" if new else "TDES")
        assert ("default PIN!" in said) is False
        if identity.firmware >= (5, 3):
            assert facts["PUK tries remaining"] == "2/3"
            assert "default PUK!" in said
            assert facts["Private key type"] == "ECCP384"

        assert told(ykman("oath", "info", reader=reader)) == {
            "OATH version": str(identity.firmware),
            "Password protection": "enabled",
        }

        facts = told(ykman("openpgp", "info", reader=reader))
        assert facts["OpenPGP version"] == ("3.4" if identity.firmware >= (5, 2) else "2.1")
        assert facts["PIN tries remaining"] == "2"
        assert facts["Admin PIN tries remaining"] == "1"
        assert facts["Require PIN for signature"] == "Once"

        assert told(ykman("otp", "info", reader=reader)) == {
            "Slot 1": "empty",
            "Slot 2": "programmed",
        }


@pytest.mark.parametrize("identity", [yubikey_5_nfc(10234567, "5.2.7"), yubikey_5c_nfc(31234567)])
def test_ykman_agrees_on_fido_over_an_nfc_reader(daemon: PcscDaemon, identity: Identity) -> None:
    key = used(identity)
    with daemon.insert(key, NFC):
        facts = told(ykman("fido", "info", reader=daemon.reader(NFC)))
    assert facts["PIN"] == "5 attempt(s) remaining"
    if identity.firmware >= (5, 7):
        assert facts["Credential storage remaining"] == "100"


def test_ykman_agrees_on_a_security_key(daemon: PcscDaemon) -> None:
    with daemon.insert(VirtualYubiKey(security_key_nfc()), NFC):
        said = ykman("info", reader=daemon.reader(NFC))
    assert told(said)["Device type"] == "Security Key NFC"
    assert "Serial number" not in said


def test_ykman_reads_through_a_channel_that_the_chain_proves(daemon: PcscDaemon) -> None:
    key = VirtualYubiKey(yubikey_5c_nfc(31234567))
    with daemon.insert(key):
        said = ykman("sd", "info", reader=daemon.reader())
        assert "SCP11b (KID=0x13, KVN=0x01)" in said
        assert "Default key set" in said
        key.traffic.clear()
        said = ykman("--scp-sd", "0x13", "0x1", "piv", "info", reader=daemon.reader())
    assert told(said)["PIN tries remaining"] == "3/3"
    of_piv = [exchange for exchange in key.traffic if exchange.applet == "piv"]
    assert sum(exchange.secured for exchange in of_piv) > 20
    open_ones = {exchange.sent[1] for exchange in of_piv if not exchange.secured}
    assert open_ones <= {0x88, 0xA4}


def test_ykman_lists_all_keys(daemon: PcscDaemon) -> None:
    with (
        daemon.insert(VirtualYubiKey(yubikey_5_nfc(16234567)), 0),
        daemon.insert(VirtualYubiKey(yubikey_5c_nfc(31234567)), 1),
    ):
        assert sorted(ykman("list", "--serials").split()) == ["16234567", "31234567"]
