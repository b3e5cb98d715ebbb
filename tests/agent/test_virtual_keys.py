"""The readers against virtual YubiKeys at a real PC/SC daemon."""

import time

import pytest
from smartcard import scard

from agent.fido_device import HidDevice
from agent.fido_reading import read_device
from agent.findings import Findings, Reason
from agent.inventory import take_inventory
from agent.pcsc import PcscCards, PcscReaders
from agent.ports import FidoDevice, NotPermittedError
from agent.probing import read_key
from agent.report import Value
from agent.whitelist import COMMANDS, MESSAGES
from tests.agent.pcsc_helpers import attached, other_program, until_present
from tests.agent.used_key import lived_in
from tests.pcsc_daemon import PcscDaemon
from tests.virtual_yubikey.faults import OtherCard, cut_short, garbage, pulled_after
from tests.virtual_yubikey.fido_hid import VirtualHidConnection, descriptor
from tests.virtual_yubikey.identity import Identity, yubikey_4, yubikey_5_nfc, yubikey_5c_nfc
from tests.virtual_yubikey.yubikey import VirtualYubiKey
from tests.ykman_program import ykman

LINES = [
    pytest.param(yubikey_4(4123456), id="4.3"),
    pytest.param(yubikey_5_nfc(10234567, "5.2.7"), id="5.2"),
    pytest.param(yubikey_5_nfc(16234567), id="5.4"),
    pytest.param(yubikey_5c_nfc(31234567), id="5.7"),
]


class NoDevices:
    """No FIDO device is there."""

    def paths(self) -> list[str]:
        return []

    def open(self, path: str) -> FidoDevice:
        raise NotPermittedError(path)


class OneDevice:
    """A virtual key's FIDO interface."""

    def __init__(self, key: VirtualYubiKey) -> None:
        self.connection = VirtualHidConnection(key)

    def paths(self) -> list[str]:
        return ["virtual"]

    def open(self, path: str) -> FidoDevice:
        assert path == "virtual"
        return HidDevice(descriptor(), self.connection)


def read(reader: str) -> Findings:
    return read_key(PcscCards(), reader, time.monotonic)


def expected(identity: Identity) -> dict[str, Value]:
    """Return what a key that is `lived_in` has to be told of, where firmware tells it."""
    firmware = identity.firmware
    facts: dict[str, Value] = {
        "device.firmware": str(firmware),
        "oath.password_set": True,
        "otp.slot1.programmed": True,
        "otp.slot1.touch": True,
        "otp.slot2.programmed": True,
        "otp.slot2.touch": False,
        "openpgp.pin.tries": 2,
        "openpgp.admin_pin.tries": 3,
        "openpgp.touch.signature": "on",
        "openpgp.touch.decryption": "fixed",
        "openpgp.terminated": False,
        "piv.pin.tries": 1,
        "piv.certificate.9a.expires": "2027-03-31",
        "piv.certificate.9a.algorithm": "ec-p256",
    }
    if firmware >= (5, 3, 0):
        facts |= {
            "piv.pin.default": True,
            "piv.puk.tries": 0,
            "piv.management_key.default": True,
            "piv.slot.9a.algorithm": "ec-p256",
            "piv.slot.9a.origin": "generated",
            "piv.slot.9a.pin_policy": "once",
            "piv.slot.9a.touch_policy": "cached",
            "scp.default_keys": False,
        }
    return facts


@pytest.mark.parametrize("identity", LINES)
def test_facts_equal_the_keys_and_nothing_but_reading_was_sent(
    daemon: PcscDaemon, identity: Identity
) -> None:
    key = lived_in(identity)
    with attached(daemon, key) as reader:
        found = read(reader)
    assert found.serial == identity.serial
    assert found.facts.items() >= expected(identity).items()
    assert {one.sent for one in key.traffic} <= COMMANDS
    assert (key.piv.state.pin.left, key.fido.state.tries) == (1, 5)
    if identity.firmware < (5, 3, 0):
        assert found.unreadable["piv.pin.default"] == Reason.UNSUPPORTED


@pytest.mark.parametrize("identity", LINES[1:])
def test_over_nfc_fido_facts_equal_the_keys(daemon: PcscDaemon, identity: Identity) -> None:
    key = lived_in(identity)
    with attached(daemon, key, 2) as reader:
        found = read(reader)
    assert (found.facts["fido.pin_set"], found.facts["fido.pin_tries"]) == (True, 5)
    if identity.firmware >= (5, 7, 0):
        assert found.facts["fido.remaining_credentials"] == 77
    assert {one.sent for one in key.traffic} <= COMMANDS


def test_over_hid_fido_facts_equal_the_keys_and_nothing_but_reading_was_sent() -> None:
    key = lived_in(yubikey_5c_nfc(31234567))
    devices = OneDevice(key)
    found = read_device(devices, "virtual")
    assert found.serial == 31234567
    assert (found.facts["fido.pin_set"], found.facts["fido.pin_tries"]) == (True, 5)
    asked = {one for one in devices.connection.asked if one[0] != 0x06}
    assert asked <= MESSAGES
    assert [kind for kind, _data in devices.connection.asked].count(0x06) == 1


@pytest.mark.parametrize("identity", [LINES[0], LINES[1], LINES[3]])
def test_yubicos_own_program_agrees_about_piv(daemon: PcscDaemon, identity: Identity) -> None:
    with attached(daemon, lived_in(identity)) as reader:
        facts = read(reader).facts
        said = " ".join(ykman("piv", "info", reader=reader).split())
    assert f"PIV version: {facts['piv.version']}" in said
    assert f"PIN tries remaining: {facts['piv.pin.tries']}" in said
    assert ("WARNING: Using default PIN!" in said) is facts.get("piv.pin.default", False)
    assert str(facts["piv.certificate.9a.expires"]) in said


def test_yubicos_own_program_agrees_about_the_other_applications(daemon: PcscDaemon) -> None:
    with attached(daemon, lived_in(yubikey_5c_nfc(31234567))) as reader:
        facts = read(reader).facts
        openpgp, oath, otp = (
            " ".join(ykman(application, "info", reader=reader).split())
            for application in ("openpgp", "oath", "otp")
        )
    assert f"Application version: {facts['openpgp.version']}" in openpgp
    assert f"PIN tries remaining: {facts['openpgp.pin.tries']}" in openpgp
    assert ("Password protection: enabled" in oath) is facts["oath.password_set"]
    for slot in (1, 2):
        assert (f"Slot {slot}: programmed" in otp) is facts[f"otp.slot{slot}.programmed"]


def test_a_program_that_holds_a_key_is_not_disturbed(daemon: PcscDaemon) -> None:
    key = lived_in(yubikey_5c_nfc(31234567))
    with attached(daemon, key) as reader, other_program(reader) as program:
        assert program.ask("00a4040005a000000308")[1].endswith("9000")
        key.traffic.clear()
        found = take_inventory(PcscReaders, PcscCards(), NoDevices(), "0" * 32)
        assert len(key.traffic) == 0
        assert program.ask("00fd000000") == (scard.SCARD_S_SUCCESS, "0507049000")
    (held,) = found.keys
    assert set(held.findings.unreadable.values()) == {Reason.IN_USE.value}


def test_a_program_that_comes_while_a_key_is_read_is_told_by_a_reset(daemon: PcscDaemon) -> None:
    """A program that connected a moment before the agent did has its command fail loudly."""
    key = lived_in(yubikey_5c_nfc(31234567))
    with attached(daemon, key) as reader, other_program(reader) as program:
        program.ask("00a4040005a000000308")
        read(reader)
        result, _answer = program.ask("00fd000000")
    assert result == scard.SCARD_W_RESET_CARD


def test_a_key_that_another_program_has_for_itself_is_in_use(daemon: PcscDaemon) -> None:
    key = lived_in(yubikey_5c_nfc(31234567))
    with attached(daemon, key) as reader, other_program(reader, scard.SCARD_SHARE_EXCLUSIVE):
        key.traffic.clear()
        found = read(reader)
        assert len(key.traffic) == 0
    assert set(found.unreadable.values()) == {Reason.IN_USE.value}


@pytest.mark.parametrize("commands", [1, 2, 5, 20, 45])
def test_a_key_that_is_pulled_meanwhile_keeps_what_was_read(
    daemon: PcscDaemon, commands: int
) -> None:
    daemon.restart()  # the driver does not get over the last key's end
    key = lived_in(yubikey_5c_nfc(31234567))
    with attached(daemon, key, distortion=pulled_after(commands)) as reader:
        found = read(reader)
    assert set(found.unreadable.values()) & {Reason.REMOVED.value, Reason.FAILED.value}
    if commands >= 20:
        assert found.serial == 31234567


@pytest.mark.parametrize("seed", range(5))
def test_a_key_that_answers_garbage_is_read_to_the_end(daemon: PcscDaemon, seed: int) -> None:
    daemon.restart()  # the driver does not get over the last key's end
    key = lived_in(yubikey_5c_nfc(31234567))
    with attached(daemon, key, distortion=garbage(seed)) as reader:
        found = read(reader)
    assert found.unreadable
    assert {one.sent for one in key.traffic} <= COMMANDS


@pytest.mark.parametrize("length", [1, 2, 7])
def test_an_answer_that_is_cut_short_is_a_reason(daemon: PcscDaemon, length: int) -> None:
    daemon.restart()  # the driver does not get over the last key's end
    key = lived_in(yubikey_5c_nfc(31234567))
    with attached(daemon, key, distortion=cut_short(length)) as reader:
        found = read(reader)
    assert found.unreadable
    assert "piv.pin.tries" not in found.facts


def test_a_card_that_is_no_yubikey_is_never_spoken_to(daemon: PcscDaemon) -> None:
    daemon.restart()
    card = OtherCard()
    with attached(daemon, card, 2):
        found = take_inventory(PcscReaders, PcscCards(), NoDevices(), "0" * 32)
    assert list(found.keys) == []
    assert len(card.traffic) == 0


def test_a_terminated_openpgp_application_stays_terminated(daemon: PcscDaemon) -> None:
    key = lived_in(yubikey_5c_nfc(31234567))
    key.openpgp.state.terminated = True
    with attached(daemon, key) as reader:
        found = read(reader)
    assert found.facts["openpgp.terminated"] is True
    assert key.openpgp.state.terminated


def test_two_keys_at_once_are_two_keys_and_the_two_ways_to_one_are_one(
    daemon: PcscDaemon,
) -> None:
    first, second = lived_in(yubikey_5c_nfc(31234567)), lived_in(yubikey_5_nfc(16234567))
    with attached(daemon, first), attached(daemon, second, 1):
        found = take_inventory(PcscReaders, PcscCards(), OneDevice(first), "0" * 32)
    by_name = {key.name: key.findings for key in found.keys}
    assert set(by_name) == {"serial:31234567", "serial:16234567"}
    assert by_name["serial:31234567"].facts["fido.pin_tries"] == 5
    assert by_name["serial:16234567"].unreadable["fido"] == Reason.NOT_HERE


def test_a_reader_that_hangs_is_given_up_in_time(daemon: PcscDaemon) -> None:
    daemon.restart()
    key = lived_in(yubikey_5c_nfc(31234567))
    reader = daemon.reader()
    with daemon.insert(key, distortion=cut_short(0)):
        until_present(reader)
        found = take_inventory(PcscReaders, PcscCards(), NoDevices(), "0" * 32, patience_s=0.5)
    daemon.restart()  # lets the thread go that waits
    (held,) = found.keys
    assert set(held.findings.unreadable.values()) == {Reason.DEADLINE.value}
