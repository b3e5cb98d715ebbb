"""Recorded answers, of keys that the documents describe, and what they mean."""

from collections.abc import Mapping

import pytest
from fido2 import cbor

from agent.apdu import (
    BLOCKED,
    NOT_FOUND,
    OPENPGP,
    REFERENCE_NOT_FOUND,
    TERMINATED,
    Answer,
    select,
)
from agent.applications import (
    fido,
    management,
    oath,
    openpgp,
    otp,
    piv,
    security_domain,
)
from agent.applications.roca import has_fingerprint
from agent.applications.script import Application
from agent.findings import Findings, GarbageError, Reason
from agent.tlv import write_tlv
from agent.whitelist import (
    CTAP_GET_INFO,
    CTAP_PIN_TRIES,
    CTAP_UV_TRIES,
    ctap,
    domain_chain,
    domain_keys,
    openpgp_data,
    openpgp_version,
    piv_certificate,
    piv_metadata,
    piv_pin_tries,
    piv_version,
)
from tests.agent.recorded_card import ok

AAGUID = bytes.fromhex("a25342c03cdc44148e46f4807fca511c")


def told(
    application: Application,
    answers: Mapping[bytes, Answer],
    first: Answer | None = None,
    findings: Findings | None = None,
) -> Findings:
    """Play a script; what it asks and nobody recorded is an unknown instruction."""
    found = findings or Findings()
    script = application.script(first or ok(), found)
    try:
        question = next(script)
        while True:
            question = script.send(answers.get(question, Answer(b"", 0x6D00)))
    except StopIteration:
        return found


def page(*tags: tuple[int, str]) -> bytes:
    body = b"".join(write_tlv(tag, bytes.fromhex(value)) for tag, value in tags)
    return bytes([len(body)]) + body


def pages(*written: bytes) -> Findings:
    findings = Findings()
    management.read_pages(list(written), findings)
    return findings


def test_a_key_of_firmware_4_tells_less_and_says_so() -> None:
    found = pages(page((0x01, "3f"), (0x02, "003ee6c4"), (0x03, "3f"), (0x05, "040307")))
    assert found.serial == 4122308
    assert found.facts["device.firmware"] == "4.3.7"
    assert found.facts["device.usb.supported"] == ("oath", "openpgp", "otp", "piv", "u2f")
    assert found.unreadable["device.usb.enabled"] == Reason.UNSUPPORTED
    assert found.unreadable["device.fips"] == Reason.UNSUPPORTED
    assert "device.nfc.supported" not in found.facts


def test_a_fips_key_of_firmware_5_7_tells_all_over_two_pages() -> None:
    found = pages(
        page((0x01, "033f"), (0x02, "01dca9a7"), (0x03, "023b"), (0x04, "83"), (0x05, "050704")),
        page(
            (0x13, b"5060408461".hex()),
            (0x14, "001f"),
            (0x15, "0003"),
            (0x16, "01"),
            (0x17, "01"),
            (0x18, "0210"),
            (0x20, "050701"),
            (0x21, "010203"),
            (0x0A, "01"),
            (0x08, "c0"),
        ),
    )
    assert (
        found.facts.items()
        >= {
            "device.firmware": "5.7.4",
            "device.form_factor": "usb-c-keychain",
            "device.fips_series": True,
            "device.part_number": "5060408461",
            "device.fips.capable": ("fido2", "hsmauth", "oath", "openpgp", "piv"),
            "device.fips.approved": ("fido2", "piv"),
            "device.pin_complexity": True,
            "device.nfc.restricted": True,
            "device.reset_blocked": ("fido2", "piv"),
            "device.fps_version": "5.7.1",
            "device.stm_version": "1.2.3",
            "device.config_locked": True,
            "device.flags": ("eject", "remote-wakeup"),
        }.items()
    )


def test_a_preview_is_told_from_what_it_will_be() -> None:
    qualifier = write_tlv(1, bytes([5, 8, 0])) + write_tlv(2, b"\x01") + write_tlv(3, b"\x04")
    found = pages(page((0x05, "050800"), (0x19, qualifier.hex())))
    assert found.facts["device.firmware_stage"] == "beta"


def test_bits_that_nobody_knows_yet_are_carried() -> None:
    assert pages(page((0x01, "1402"), (0x05, "060000"))).facts["device.usb.supported"] == (
        "bit12",
        "u2f",
    )


@pytest.mark.parametrize("broken", [b"", b"\x05\x01\x01", b"\x02\x05\x03", b"\x04\x05\x02\x05\x07"])
def test_a_configuration_that_is_none_is_garbage(broken: bytes) -> None:
    with pytest.raises(GarbageError):
        pages(broken)


def test_a_key_before_management_has_its_firmware_from_otp() -> None:
    found = told(otp.APPLICATION, {}, ok("020405010300"))
    assert found.facts["device.firmware"] == "2.4.5"
    assert found.facts["otp.slot2.programmed"] is True
    assert found.unreadable["otp.slot1.touch"] == Reason.UNSUPPORTED


def test_oath_tells_whether_a_password_is_set() -> None:
    answer = "79030504037108aabbccddaabbccdd"
    assert told(oath.APPLICATION, {}, ok(answer)).facts["oath.password_set"] is False
    challenged = told(oath.APPLICATION, {}, ok(answer + "7408" + "11" * 8))
    assert challenged.facts["oath.password_set"] is True


def test_an_answer_of_oath_that_is_cut_short_is_garbage() -> None:
    with pytest.raises(GarbageError):
        told(oath.APPLICATION, {}, ok("7903050403710874"))


def test_the_keys_of_the_secure_channel_are_told() -> None:
    answers = {
        domain_keys(): ok("c00401ff8810c00402ff8810c00403ff8810c0041301f188"),
        domain_chain(1): ok("300302010130030201023003020103"),
    }
    found = told(security_domain.APPLICATION, answers)
    assert found.facts == {"scp.default_keys": True, "scp.scp11b": True, "scp.chain": 3}


def test_own_keys_of_the_secure_channel_are_told() -> None:
    answers = {domain_keys(): ok("e006c00401018810")}
    found = told(security_domain.APPLICATION, answers)
    assert found.facts == {"scp.default_keys": False, "scp.scp11b": False}


def all_of_openpgp(touch: str = "02 20") -> bytes:
    inner = b"".join(
        [
            write_tlv(0xC1, bytes.fromhex("0108000020 00")),
            write_tlv(0xC2, bytes.fromhex("12 2b060104019755010501")),
            write_tlv(0xC3, bytes.fromhex("13 2a8648ce3d030107")),
            write_tlv(0xC4, bytes.fromhex("007f7f7f030003")),
            write_tlv(0xC5, b"\x11" * 20 + bytes(20) + b"\x33" * 20),
            write_tlv(0xDE, bytes.fromhex("0101 0200 0302 8102")),
            write_tlv(0xD6, bytes.fromhex(touch)),
        ]
    )
    return write_tlv(0x6E, write_tlv(0x4F, bytes(16)) + write_tlv(0x73, inner))


def test_openpgp_tells_tries_keys_and_touch() -> None:
    answers = {
        openpgp_version(): ok("050207"),
        openpgp_data(0x6E): Answer(all_of_openpgp(), 0x9000),
        openpgp_data(0xD7): ok("0020"),
        openpgp_data(0xD8): Answer(b"", 0x6A88),
    }
    found = told(openpgp.APPLICATION, answers)
    assert found.facts == {
        "openpgp.terminated": False,
        "openpgp.version": "5.2.7",
        "openpgp.pin.tries": 3,
        "openpgp.reset_code.tries": 0,
        "openpgp.admin_pin.tries": 3,
        "openpgp.touch.signature": "fixed",
        "openpgp.touch.decryption": "off",
        "openpgp.key.signature.origin": "generated",
        "openpgp.key.signature.algorithm": "rsa2048",
        "openpgp.key.signature.fingerprint": "11" * 20,
        "openpgp.key.decryption.origin": "none",
        "openpgp.key.authentication.origin": "imported",
        "openpgp.key.authentication.algorithm": "ecdsa",
        "openpgp.key.authentication.fingerprint": "33" * 20,
        "openpgp.key.attestation.origin": "imported",
    }
    assert found.unreadable["openpgp.touch.authentication"] == Reason.ABSENT
    assert found.unreadable["openpgp.touch.attestation"] == Reason.UNSUPPORTED


def test_a_terminated_openpgp_application_stays_as_it_is() -> None:
    asked = []
    findings = Findings()
    script = openpgp.APPLICATION.script(Answer(b"", TERMINATED), findings)
    question = next(script)
    try:
        while True:
            asked.append(question)
            question = script.send(Answer(b"", 0x6985))
    except StopIteration:
        pass
    assert findings.facts == {"openpgp.terminated": True}
    assert findings.unreadable["openpgp"] == Reason.REFUSED
    assert {octets[1] for octets in asked} <= {0xF1, 0xCA}
    assert select(OPENPGP) not in asked


PIV_5_4 = {
    piv_version(): ok("050403"),
    piv_metadata(0x80): ok("0101ff05010006020302"),
    piv_metadata(0x81): ok("0101ff05010106020303"),
    piv_metadata(0x9B): ok("01010302020001050101"),
    piv_metadata(0x9A): ok("010111020202010301010400"),
    piv_metadata(0x82): ok("010107020203030301020400"),
}


def answering(answers: Mapping[bytes, Answer]) -> dict[bytes, Answer]:
    """Return the answers, with "not there" for every other slot and certificate."""
    slots = [*range(0x82, 0x96), 0x9A, 0x9C, 0x9D, 0x9E]
    return {
        **{piv_metadata(slot): Answer(b"", REFERENCE_NOT_FOUND) for slot in slots},
        **{piv_certificate(slot): Answer(b"", NOT_FOUND) for slot in slots},
        **answers,
    }


def test_piv_tells_defaults_tries_and_slots() -> None:
    found = told(piv.APPLICATION, answering(PIV_5_4))
    assert found.facts == {
        "piv.version": "5.4.3",
        "piv.pin.default": False,
        "piv.pin.tries": 2,
        "piv.pin.tries_total": 3,
        "piv.puk.default": True,
        "piv.puk.tries": 3,
        "piv.puk.tries_total": 3,
        "piv.management_key.default": True,
        "piv.management_key.algorithm": "tdes",
        "piv.management_key.touch_policy": "never",
        "piv.slot.9a.algorithm": "ec-p256",
        "piv.slot.9a.origin": "generated",
        "piv.slot.9a.pin_policy": "once",
        "piv.slot.9a.touch_policy": "never",
        "piv.slot.82.algorithm": "rsa2048",
        "piv.slot.82.origin": "imported",
        "piv.slot.82.pin_policy": "always",
        "piv.slot.82.touch_policy": "cached",
    }
    assert found.unreadable == {}


@pytest.mark.parametrize(
    ("status", "tries"),
    [(0x63C3, 3), (0x63C0, 0), (BLOCKED, 0), (0x6305, 5), (0x9000, None), (0x6D00, None)],
)
def test_piv_before_5_3_tells_tries_by_an_empty_verify(status: int, tries: int | None) -> None:
    answers = answering({piv_version(): ok("040307"), piv_pin_tries(): Answer(b"", status)})
    found = told(piv.APPLICATION, answers)
    assert found.facts.get("piv.pin.tries") == tries
    assert found.unreadable["piv.pin.default"] == Reason.UNSUPPORTED
    assert ("piv.pin.tries" in found.unreadable) is (tries is None)


def test_an_object_that_is_no_certificate_is_garbage_for_its_slot_alone() -> None:
    junk = write_tlv(0x53, write_tlv(0x70, b"junk") + write_tlv(0x71, b"\x00"))
    packed = write_tlv(0x53, write_tlv(0x70, b"\x1f\x8b junk") + write_tlv(0x71, b"\x01"))
    answers = {
        **PIV_5_4,
        piv_certificate(0x9A): Answer(junk, 0x9000),
        piv_certificate(0x9C): Answer(packed, 0x9000),
        piv_certificate(0x9D): Answer(write_tlv(0x53, b""), 0x9000),
    }
    found = told(piv.APPLICATION, answering(answers))
    assert found.unreadable == {
        "piv.certificate.9a": Reason.GARBAGE,
        "piv.certificate.9c": Reason.GARBAGE,
    }
    assert found.facts["piv.pin.tries"] == 2


def test_a_bio_key_tells_its_fingerprints() -> None:
    answers = {**PIV_5_4, piv_metadata(0x96): ok("070101060103")}
    bio = Findings({"device.form_factor": "usb-c-bio"})
    found = told(piv.APPLICATION, answering(answers), findings=bio)
    assert (found.facts["piv.bio.configured"], found.facts["piv.bio.tries"]) == (True, 3)


def info(**more: object) -> bytes:
    options = {"rk": True, "clientPin": True, "uv": False, "alwaysUv": True}
    value = {
        1: ["U2F_V2", "FIDO_2_0", "FIDO_2_1"],
        3: AAGUID,
        4: options,
        6: [2, 1],
        0x0C: False,
        0x0D: 6,
        0x0E: 328708,
        0x14: 97,
    } | {int(key[1:], 16): one for key, one in more.items()}
    return b"\x00" + cbor.encode({key: one for key, one in value.items() if one is not None})


def test_fido_tells_what_needs_no_pin() -> None:
    answers = {
        ctap(CTAP_GET_INFO): Answer(info(), 0x9000),
        ctap(CTAP_PIN_TRIES): Answer(b"\x00" + cbor.encode({3: 5, 4: True}), 0x9000),
        ctap(CTAP_UV_TRIES): Answer(b"\x00" + cbor.encode({5: 3}), 0x9000),
    }
    assert told(fido.APPLICATION, answers).facts == {
        "fido.aaguid": "a25342c0-3cdc-4414-8e46-f4807fca511c",
        "fido.versions": ("FIDO_2_0", "FIDO_2_1", "U2F_V2"),
        "fido.pin_set": True,
        "fido.uv_set": False,
        "fido.always_uv": True,
        "fido.pin_protocols": ("1", "2"),
        "fido.force_pin_change": False,
        "fido.min_pin_length": 6,
        "fido.firmware": 328708,
        "fido.remaining_credentials": 97,
        "fido.pin_tries": 5,
        "fido.pin_soft_blocked": True,
        "fido.uv_tries": 3,
    }


def test_a_key_of_u2f_alone_has_no_more_to_tell() -> None:
    found = told(fido.APPLICATION, {ctap(CTAP_GET_INFO): Answer(b"", 0x6D00)})
    assert found.unreadable == {"fido": Reason.UNSUPPORTED}


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00",
        b"\x00\xff",
        info() + b"\x00",
        b"\x00" + cbor.encode([1]),
        info(x3=b"short"),
        info(x3=None),
        info(x1=["\n"]),
        info(x1=7),
        info(x4=7),
        info(xD=-1),
        info(xE=2**40),
    ],
)
def test_an_answer_to_getinfo_that_is_none_is_garbage(answer: bytes) -> None:
    with pytest.raises(GarbageError):
        fido.read_info(answer, Findings())


def test_a_refusal_by_ctap_is_a_refusal() -> None:
    findings = Findings()
    assert fido.read_info(b"\x30", findings) is False
    assert findings.unreadable == {"fido": Reason.REFUSED}


def test_the_weak_rsa_keys_of_2017_are_told_from_others() -> None:
    primes = [3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83]
    primes += [89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167]
    product = 1
    for prime in primes:
        product *= prime
    weak = 12345 * product + pow(65537, 1234567, product)
    assert has_fingerprint(weak)
    assert not has_fingerprint(weak + 2)
