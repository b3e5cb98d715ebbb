"""What keys say they are, read as an agent and as yubikit read it; and what no key says."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yubikit.management import DeviceInfo as YubikitInfo
from yubikit.management import ManagementSession

from agent.apdu import Answer
from agent.applications.management import read_pages as agent_reads
from agent.applications.piv import APPLICATION as AGENT_PIV
from agent.findings import Findings
from server.fleet.channel.card import CardAnswer, GarbageError
from server.fleet.channel.device_info import DeviceInfo, read_pages
from server.fleet.channel.piv_metadata import REFERENCES, read_metadata
from tests.server.fleet.channel.lab import a_key, talk
from tests.virtual_yubikey.direct import DirectConnection
from tests.virtual_yubikey.identity import (
    Capability,
    Firmware,
    FormFactor,
    Identity,
    Transport,
    yubikey_5c_nfc,
    yubikey_bio,
)
from tests.virtual_yubikey.management import Management
from tests.virtual_yubikey.piv_keys import KeyType
from tests.virtual_yubikey.yubikey import VirtualYubiKey

IDENTITIES = [
    yubikey_5c_nfc(31234567),
    yubikey_5c_nfc(4_000_000_000, "5.7.2"),
    yubikey_bio(),
    replace(
        yubikey_5c_nfc(7, "5.8.0"),
        fips=True,
        fips_capable=0x1F,
        fips_approved=0x06,
        pin_complexity=True,
        nfc_restricted=True,
        reset_blocked=Capability.PIV,
        lock_code=bytes(16),
        device_flags=0x80,
        form_factor=FormFactor.USB_C_NANO,
    ),
]


def pages_of(identity: Identity) -> list[bytes]:
    management = Management(identity)
    return [management.page(0), management.page(1)]


@pytest.mark.parametrize("identity", IDENTITIES)
def test_it_is_what_an_agent_reads(identity: Identity) -> None:
    read = read_pages(pages_of(identity))
    findings = Findings()
    agent_reads(pages_of(identity), findings)
    assert read == DeviceInfo(findings.serial, (*identity.firmware,), findings.facts)


@pytest.mark.parametrize("identity", IDENTITIES)
def test_it_is_what_yubikit_reads(identity: Identity) -> None:
    connection = DirectConnection(VirtualYubiKey(identity))
    theirs: YubikitInfo = ManagementSession(connection).read_device_info()
    read = read_pages(pages_of(identity))
    assert (read.serial, read.firmware) == (theirs.serial, tuple(theirs.version))
    assert read.facts["device.config_locked"] is theirs.is_locked
    assert read.facts["device.fips_series"] is theirs.is_fips
    assert read.facts["device.security_key_series"] is theirs.is_sky
    assert read.facts["device.pin_complexity"] is theirs.pin_complexity
    assert read.facts.get("device.part_number") == (theirs.part_number or None)


def test_a_preview_is_told() -> None:
    first, second = pages_of(IDENTITIES[0])
    qualifier = bytes.fromhex("190901030508000201000301 05".replace(" ", ""))
    page = second[1:] + bytes([0x19, 11]) + qualifier[2:]
    read = read_pages([first, bytes([len(page)]) + page])
    assert read.facts["device.firmware_stage"] == "alpha"
    assert read.facts["device.firmware"] == "5.8.0"
    assert read.firmware == Firmware(5, 7, 4)


def test_a_configuration_without_one_of_its_pages_is_none() -> None:
    first, second = pages_of(IDENTITIES[0])
    for pages in ([], [first], [second], [second, first], [first, second, second]):
        with pytest.raises(GarbageError):
            read_pages(pages)


@given(st.lists(st.binary(max_size=60), max_size=3))
def test_octets_that_are_no_configuration_are_garbage(pages: list[bytes]) -> None:
    with pytest.raises(GarbageError):
        read_pages(pages)


def test_metadata_is_what_an_agent_reads() -> None:
    key = a_key()
    key.piv.put_key(0x9A, KeyType.RSA3072)
    key.piv.put_key(0x9C, KeyType.ED25519)
    key.piv.state.puk.left = 2
    key.power(Transport.USB)
    selected = talk(key, bytes.fromhex("00a4040005a000000308"))
    findings = Findings()
    script = AGENT_PIV.script(Answer(selected[:-2], 0x9000), findings)
    command = next(script)
    while not command.startswith(bytes.fromhex("00cb")):
        command = script.send(Answer(*CardAnswer.parse(talk(key, command))))
    told: dict[str, object] = {}
    for reference in REFERENCES:
        answer = CardAnswer.parse(talk(key, bytes([0x00, 0xF7, 0x00, reference, 0x00])))
        if answer.ok:
            told.update(read_metadata(reference, answer.data))
    assert told == {name: findings.facts[name] for name in told}
    assert {"piv.slot.9a.algorithm", "piv.slot.9c.algorithm"} <= told.keys()


@given(st.sampled_from(REFERENCES), st.binary(max_size=40))
def test_metadata_that_makes_no_sense_is_garbage_or_facts(reference: int, data: bytes) -> None:
    try:
        facts = read_metadata(reference, data)
    except GarbageError:
        return
    assert all(name.startswith("piv.") for name in facts)
