"""Whatever a key answers is no fault of ours, and is told in reports that a server takes."""

import itertools
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.hid.base import HidDescriptor
from hypothesis import given
from hypothesis import strategies as st

from agent.apdu import MANAGEMENT, PIV, Answer, select
from agent.applications.certificate import read_object
from agent.attached import SeenKey
from agent.composing import Host, KnownKey, of_key, reports_of
from agent.fido_device import HidDevice
from agent.findings import Findings, GarbageError, Reason
from agent.policy import Policy, Serials
from agent.ports import FidoDevices, ReaderFailedError
from agent.prober import Prober
from agent.probing import APPLICATIONS, read_key
from agent.report import MAX_REPORT_OCTETS, Report, encode, parse
from agent.tlv import write_tlv
from agent.whitelist import (
    COMMANDS,
    CTAP_GET_INFO,
    CTAPHID_CBOR,
    MANAGEMENT_KEY,
    PIV_CERTIFICATES,
    piv_metadata,
    piv_version,
    read_config,
)
from tests.agent.recorded_card import OneCard, RecordedCard, ok, selected
from tests.virtual_yubikey.fido_hid import VirtualHidConnection, descriptor
from tests.virtual_yubikey.identity import yubikey_5c_nfc
from tests.virtual_yubikey.yubikey import VirtualYubiKey

HOST = Host("ab" * 16, "0.1.0", "linux", "Debian", {"libfido2": "1.12.0"})
DAY = date(2026, 11, 27)
EVERYTHING = Policy(Serials.PLAIN, None, True, True, True)
FIRMWARE_5_7 = write_tlv(0x05, bytes((5, 7, 4))) + write_tlv(0x02, (31234567).to_bytes(4, "big"))


def reports(*keys: Findings) -> list[Report]:
    known = [
        KnownKey(SeenKey(f"kind:{number:064x}", one), DAY, attached=True)
        for number, one in enumerate(keys)
    ]
    told = [of_key(one, EVERYTHING, b"local") for one in known]
    ids = (f"{number:032x}" for number in itertools.count())
    return reports_of(HOST, told, day=DAY, next_sequence=1, dropped=0, new_id=lambda: next(ids))


def read(answers: dict[bytes, Answer]) -> Findings:
    return read_key(OneCard(RecordedCard(answers)), "a reader", lambda: 0.0)


TAGS = [*range(0x1F), 0x20, 0x21, 0x53, 0x6E, 0x70, 0x71, 0x73, *range(0xC0, 0xDF), 0xE0]


def joined(pairs: list[tuple[int, bytes]]) -> bytes:
    return b"".join(write_tlv(tag, value) for tag, value in pairs)


tlvs = st.recursive(
    st.binary(max_size=24),
    lambda inner: st.lists(st.tuples(st.sampled_from(TAGS), inner), max_size=8).map(joined),
    max_leaves=12,
)
"""What looks like an answer of a key, with anything in it."""


@given(st.dictionaries(st.sampled_from(sorted(COMMANDS)), tlvs, max_size=60), tlvs)
def test_a_key_that_answers_anything_is_reported_with_no_fault(
    answers: dict[bytes, bytes], configuration: bytes
) -> None:
    page = (FIRMWARE_5_7 + configuration)[:255]
    findings = read(
        {
            **{select(one.name): ok() for one in APPLICATIONS},
            **{command: Answer(data, 0x9000) for command, data in answers.items()},
            **selected(MANAGEMENT, b"1.2.3".hex()),
            read_config(0): Answer(bytes((len(page),)) + page, 0x9000),
        }
    )
    for report in reports(findings):
        assert parse(encode(report)) == report


@given(st.integers(0, 6), st.binary(max_size=2))
def test_metadata_with_an_empty_value_is_garbage_and_no_fault(length: int, value: bytes) -> None:
    metadata = write_tlv(0x05, b"\0") + write_tlv(0x02, b"\0\0") + write_tlv(0x01, value[:length])
    findings = read(
        {
            **selected(PIV),
            piv_version(): ok("050704"),
            piv_metadata(0x80): ok("0501000602030301010a"),
            piv_metadata(0x81): ok("05010006020303"),
            piv_metadata(MANAGEMENT_KEY): Answer(metadata, 0x9000),
        }
    )
    if not value[:length]:
        assert findings.unreadable["piv"] == Reason.GARBAGE
    else:
        assert "piv.management_key.algorithm" in findings.facts


def certificate(name: x509.Name) -> bytes:
    private = ec.generate_private_key(ec.SECP256R1())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(0xABCDEF)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=365))
        .sign(private, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )


def in_object(der: bytes) -> bytes:
    return write_tlv(0x53, write_tlv(0x70, der) + write_tlv(0x71, b"\0"))


COMMON = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Somebody")])
SOUND = certificate(COMMON)


def test_a_certificate_of_a_version_that_there_is_not_is_garbage() -> None:
    strange = SOUND.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020177"), 1)
    assert strange != SOUND
    with pytest.raises(GarbageError):
        read_object("piv.certificate.9a", in_object(strange), Findings())


def test_a_name_of_a_type_that_no_name_has_is_garbage() -> None:
    strange = SOUND.replace(b"\x0c\x08Somebody", b"\x03\x08Somebody")
    assert strange != SOUND
    with pytest.raises(GarbageError):
        read_object("piv.certificate.9a", in_object(strange), Findings())


@given(st.integers(0, len(SOUND) - 1), st.integers(1, 255))
def test_a_certificate_that_was_changed_anywhere_is_read_or_is_garbage(at: int, by: int) -> None:
    changed = bytearray(SOUND)
    changed[at] ^= by
    findings = Findings()
    try:
        read_object("piv.certificate.9a", in_object(bytes(changed)), findings)
    except GarbageError:
        findings.miss("piv.certificate.9a", Reason.GARBAGE)
    (report,) = reports(findings) if findings.facts else reports()
    assert parse(encode(report)) == report


def test_a_key_full_of_long_names_keeps_no_other_key_from_being_told() -> None:
    """Of each name 120 characters are kept, each of which takes twelve octets in a report."""
    common = x509.NameAttribute(x509.NameOID.COMMON_NAME, "\N{KEY}" * 16)
    name = x509.Name([common] * 8)
    crowded = Findings({"device.firmware": "5.7.4"}, {}, 666)
    for slot in PIV_CERTIFICATES:
        read_object(f"piv.certificate.{slot:02x}", in_object(certificate(name)), crowded)
    honest = [Findings({"device.firmware": "5.7.4", "n": number}, {}, number) for number in (7, 8)]
    found = reports(honest[0], crowded, honest[1], Findings(dict(crowded.facts), {}, 667))
    assert all(len(encode(one)) <= MAX_REPORT_OCTETS for one in found)
    told = {key.identity.serial: key for one in found for key in parse(encode(one)).keys}
    assert set(told) == {7, 8, 666, 667}
    assert len(found) == 2
    assert [told[number].facts["n"] for number in (7, 8)] == [7, 8]
    assert told[666].facts == crowded.facts


def test_a_key_that_says_more_than_a_report_holds_is_told_without_its_longest_facts() -> None:
    long = {f"piv.slot.a{number}": "\N{KEY}" * 120 for number in range(60)}
    found = reports(Findings({"device.firmware": "5.7.4", **long}, {}, 666))
    ((key,),) = (parse(encode(one)).keys for one in found)
    assert key.facts["device.firmware"] == "5.7.4"
    assert 0 < len(key.unreadable) < 60
    assert set(key.unreadable.values()) == {Reason.TOO_LONG.value}
    assert set(key.facts) | set(key.unreadable) == {"device.firmware", *long}


def test_many_keys_of_ordinary_size_share_reports_as_before() -> None:
    found = reports(*(Findings({"device.firmware": "5.7.4"}, {}, 1 + n) for n in range(20)))
    assert [len(one.keys) for one in found] == [8, 8, 4]
    assert [one.sequence for one in found] == [1, 2, 3]


class Scripted(VirtualHidConnection):
    """A FIDO device that opens its channel, and then answers with one packet again and again."""

    def __init__(self, packet: bytes) -> None:
        super().__init__(VirtualYubiKey(yubikey_5c_nfc(31234567)))
        self._packet = packet
        self.reads = 0

    def read_packet(self) -> bytes:
        self.reads += 1
        if self.reads == 1:
            return super().read_packet()
        return self._channel.to_bytes(4, "big") + self._packet.ljust(60, b"\0")


def seconds(each: float) -> Callable[[], float]:
    count = itertools.count()
    return lambda: next(count) * each


def test_a_fido_device_that_says_wait_for_ever_is_waited_for_five_seconds() -> None:
    keepalive = Scripted(struct.pack(">BHB", 0xBB, 1, 1))
    device = HidDevice(descriptor(), keepalive, seconds(0.1))
    with pytest.raises(ReaderFailedError, match="too long"):
        device.call(CTAPHID_CBOR, CTAP_GET_INFO)
    assert keepalive.reads <= 51


def test_a_fido_device_that_sends_its_answer_by_driblets_is_waited_for_five_seconds() -> None:
    class Driblets(Scripted):
        def read_packet(self) -> bytes:
            packet = super().read_packet()
            number = self.reads - 3
            return packet if number < 0 else packet[:4] + bytes((number & 0x7F,)) + packet[5:]

    device = HidDevice(descriptor(), Driblets(struct.pack(">BH", 0x90, 7600)), seconds(0.1))
    with pytest.raises(ReaderFailedError, match="too long"):
        device.call(CTAPHID_CBOR, CTAP_GET_INFO)


@pytest.mark.parametrize(("size_in", "size_out"), [(64, 7), (64, 0), (64, 1 << 24), (1 << 24, 64)])
def test_a_fido_device_whose_packets_are_none_is_not_spoken_to(size_in: int, size_out: int) -> None:
    connection = Scripted(b"")
    told = HidDescriptor("virtual", 0x1050, 0x0407, size_in, size_out, None, None)
    with pytest.raises(ReaderFailedError, match="size"):
        HidDevice(told, connection)
    assert connection.asked == []


class NoDevices:
    def paths(self) -> list[str]:
        return []

    def open(self, path: str) -> HidDevice:
        raise AssertionError(path)


def test_a_fault_of_ours_ends_the_reading_of_one_key_and_not_of_the_others() -> None:
    """What no card may raise: as a driver's answer that PC/SC's library chokes on does."""

    def choke(_octets: bytes) -> None:
        raise SystemError("the library does not know what to say")

    found: list[Findings] = []
    devices: FidoDevices = NoDevices()
    card = RecordedCard({}, choke)
    prober = Prober(OneCard(card), devices, lambda _name, _changes, one: found.append(one))
    prober.start()
    for _ in range(2):
        prober.read("reader \x1b[2Jevil", 0)
    prober.stop(10)
    assert [set(one.unreadable.values()) for one in found] == [{Reason.FAILED.value}] * 2
    assert card.closed == 2
