"""A key read past its host: what it proves, and that whatever a host does proves nothing."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from agent.findings import Findings
from agent.probing import APPLICATIONS
from server.fleet.channel.card import CardAnswer
from server.fleet.channel.dialogue import Ask, Proven, Refusal, Refused
from server.fleet.trust import Trust
from tests.server.fleet.channel.lab import (
    SERIAL,
    Host,
    a_key,
    dialogue_about,
    fresh,
    honest,
    relayed,
    talk,
)
from tests.virtual_yubikey.identity import Capability, Firmware, Transport, yubikey_bio
from tests.virtual_yubikey.manufacturer import Manufacturer, issue, name
from tests.virtual_yubikey.piv_keys import KeyType
from tests.virtual_yubikey.scp11 import KeyReference
from tests.virtual_yubikey.yubikey import VirtualYubiKey

KEY = a_key()


def as_the_agent_reads(key: VirtualYubiKey) -> Findings:
    """Read management and PIV as an agent does, in plain."""
    from agent.apdu import Answer, select  # noqa: PLC0415 - next to what it is for

    findings = Findings()
    key.power(Transport.USB)
    for application in APPLICATIONS:
        if application.group in {"device", "piv"}:
            answer = CardAnswer.parse(talk(key, select(application.name)))
            script = application.script(Answer(*answer), findings)
            command = next(script, None)
            while command is not None:
                told = Answer(*CardAnswer.parse(talk(key, command)))
                try:
                    command = script.send(told)
                except StopIteration:
                    command = None
    return findings


def test_what_a_key_proves_is_what_an_honest_agent_reads_of_it() -> None:
    key = a_key()
    key.piv.put_key(0x9A, KeyType.RSA2048)
    key.piv.put_key(0x9E, KeyType.ECCP256)
    proven = relayed(key)
    assert isinstance(proven, Proven)
    assert proven.trust is Trust.KEY_CHANNEL
    read = as_the_agent_reads(key).facts
    assert {name: read[name] for name in proven.facts} == proven.facts
    assert proven.facts["piv.pin.default"] is True
    assert proven.facts["piv.slot.9a.algorithm"] == "rsa2048"
    assert {"device.firmware", "device.pin_complexity", "piv.puk.default"} <= proven.facts.keys()
    left = {name for name in read if name.startswith("device.")} - proven.facts.keys()
    assert not left


def test_a_changed_pin_is_proven_too() -> None:
    key = a_key()
    key.piv.state.pin.left = 1
    proven = relayed(key)
    assert isinstance(proven, Proven)
    assert proven.facts["piv.pin.tries"] == 1


def test_three_rounds_and_the_last_is_told_to_be() -> None:
    dialogue = dialogue_about(SERIAL, KEY.manufacturer)
    KEY.power(Transport.USB)
    step: object = dialogue.begin()
    last = []
    while isinstance(step, Ask):
        last.append(step.last)
        step = dialogue.take([CardAnswer.parse(talk(KEY, one)) for one in step.commands])
    assert last == [False, False, True]


def test_no_answer_in_a_channel_shows_the_host_what_it_says() -> None:
    key = a_key()
    relayed(key)
    secured = [one for one in key.traffic if one.secured]
    assert len(secured) == 10
    assert not any(SERIAL.to_bytes(4, "big") in one.answered for one in secured)


def flipped(place: int, octet: int, mask: int) -> Host:
    """Return a host that changes an octet of an answer, counted over all rounds."""
    seen = 0

    def host(_round: int, _commands: Sequence[bytes], answers: Sequence[bytes]) -> Sequence[bytes]:
        nonlocal seen
        changed = list(answers)
        if seen <= place < seen + len(answers):
            answer = bytearray(answers[place - seen])
            answer[octet % len(answer)] ^= mask
            changed[place - seen] = bytes(answer)
        seen += len(answers)
        return changed

    return host


HONEST = relayed(KEY)


@given(st.integers(0, 16), st.integers(0, 2000), st.integers(1, 255))
def test_whatever_octet_a_host_changes_no_other_fact_comes_of_it(
    place: int, octet: int, mask: int
) -> None:
    assert isinstance(HONEST, Proven)
    result = relayed(KEY, flipped(place, octet, mask))
    if isinstance(result, Proven):
        assert result.facts.items() <= HONEST.facts.items()
        assert result.trust is Trust.KEY_CHANNEL


@pytest.mark.parametrize(("number", "place"), [(2, 0), (2, 1), (3, 0), (3, 2)])
def test_a_host_that_alters_what_the_key_said_in_a_channel_is_named(
    number: int, place: int
) -> None:
    def host(now: int, _commands: Sequence[bytes], answers: Sequence[bytes]) -> Sequence[bytes]:
        changed = list(answers)
        if now == number:
            changed[place] = bytes([answers[place][0] ^ 1]) + answers[place][1:]
        return changed

    assert relayed(a_key(), host) == Refused(Refusal.ALTERED)


def test_a_host_that_leaves_out_answers_leaves_out_facts_and_makes_none() -> None:
    error = b"\x6a\x80"

    def without(number: int, place: int) -> Host:
        def host(now: int, _c: Sequence[bytes], answers: Sequence[bytes]) -> Sequence[bytes]:
            return [
                error if (now, at) == (number, place) else one for at, one in enumerate(answers)
            ]

        return host

    assert relayed(KEY, without(1, 1)) == Refused(Refusal.NO_CHANNEL_KEY)
    assert relayed(KEY, without(1, 2)) == Refused(Refusal.NO_CHAIN)
    assert relayed(KEY, without(1, 4)) == Refused(Refusal.KEY_REFUSED)
    # Without a page of two, what it would have said is not "no".
    assert relayed(KEY, without(2, 0)) == Refused(Refusal.GARBAGE)
    assert relayed(KEY, without(2, 1)) == Refused(Refusal.GARBAGE)
    without_piv = relayed(KEY, without(2, 3))
    assert isinstance(without_piv, Proven)
    assert not any(name.startswith("piv.") for name in without_piv.facts)
    without_pin = relayed(KEY, without(3, 0))
    assert isinstance(without_pin, Proven)
    assert "piv.pin.default" not in without_pin.facts
    assert "piv.puk.default" in without_pin.facts


def test_a_page_that_a_host_keeps_back_from_between_two_others_does_not_say_no() -> None:
    key = a_key()
    first, second = (key.management.page(index) for index in range(2))
    more = b"\x10\x01\x01"
    second = bytes([second[0] + len(more)]) + second[1:] + more
    pages = (first, second, b"\x00")  # as a key with a third page would have it
    key.management.page = lambda index: pages[index]  # type: ignore[method-assign]

    def without(now: int, _c: Sequence[bytes], answers: Sequence[bytes]) -> Sequence[bytes]:
        return [answers[0], b"\x6a\x80", *answers[2:]] if now == 2 else answers

    assert relayed(key) == HONEST
    assert relayed(key, without) == Refused(Refusal.GARBAGE)


def test_answers_of_another_day_or_in_another_order_are_found_out() -> None:
    recorded: dict[int, Sequence[bytes]] = {}

    def record(now: int, _c: Sequence[bytes], answers: Sequence[bytes]) -> Sequence[bytes]:
        recorded[now] = answers
        return answers

    assert isinstance(relayed(KEY, record), Proven)
    for number in (1, 2, 3):

        def repeat(
            now: int, _c: Sequence[bytes], answers: Sequence[bytes], number: int = number
        ) -> Sequence[bytes]:
            return recorded[now] if now == number else answers

        assert relayed(KEY, repeat) == Refused(Refusal.ALTERED)

    def swap(now: int, _c: Sequence[bytes], answers: Sequence[bytes]) -> Sequence[bytes]:
        return [answers[1], answers[0], *answers[2:]] if now == 3 else answers

    assert relayed(KEY, swap) == Refused(Refusal.ALTERED)


def test_another_key_than_the_one_that_is_named_is_told_by_its_certificate() -> None:
    assert relayed(a_key(SERIAL + 1)) == Refused(Refusal.ANOTHER_KEY)


def test_another_key_under_a_certificate_that_names_none_is_told_by_what_it_says() -> None:
    key = a_key(SERIAL + 1)
    signer, public = (
        key.manufacturer.security_domain,
        key.security_domain.state.private.public_key(),
    )
    leaf = issue(name("no number"), public, signer.certificate.subject, signer.key)
    key.security_domain.chain = [signer.certificate, leaf]
    assert relayed(key) == Refused(Refusal.ANOTHER_KEY)
    assert isinstance(relayed(key, serial=SERIAL + 1), Proven)


def test_the_certificates_of_one_key_and_the_answers_of_another_do_not_fit() -> None:
    other = a_key()  # the same number, as a host would have it
    chain = talk_chain(KEY)

    def host(now: int, _c: Sequence[bytes], answers: Sequence[bytes]) -> Sequence[bytes]:
        return [*answers[:2], chain, *answers[3:]] if now == 1 else answers

    assert relayed(other, host) == Refused(Refusal.ALTERED)


def talk_chain(key: VirtualYubiKey) -> bytes:
    key.power(Transport.USB)
    talk(key, bytes.fromhex("00a4040008a000000151000000"))
    return talk(key, bytes.fromhex("00cabf2106a60483021301"))


def test_relaying_one_application_to_another_proves_nothing() -> None:
    key = a_key()

    def host(now: int, commands: Sequence[bytes], answers: Sequence[bytes]) -> Sequence[bytes]:
        if now != 2:
            return answers
        talk(key, bytes.fromhex("00a4040008a000000527471117"))  # management in the place of PIV
        return [*answers[:-1], talk(key, commands[-1])]

    proven = relayed(key, host)
    assert isinstance(proven, Proven)
    assert not any(name.startswith("piv.") for name in proven.facts)


def test_a_key_of_another_maker_proves_nothing_and_nobody_is_blamed() -> None:
    stranger = Manufacturer("Stranger")
    assert relayed(a_key(), maker=stranger) == Refused(Refusal.CHAIN_UNKNOWN)
    key = a_key()
    key.security_domain.state.private = fresh()  # its owner's own, below the old certificates
    assert relayed(key, maker=stranger) == Refused(Refusal.CHAIN_UNKNOWN)


def test_nobody_is_blamed_for_what_a_device_that_is_no_yubikey_does() -> None:
    stranger = Manufacturer("Stranger")
    # Another number in its certificate, or another one behind it, or answers with a wrong MAC.
    assert relayed(a_key(SERIAL + 1), maker=stranger) == Refused(Refusal.CHAIN_UNKNOWN)
    key = a_key()
    key.management.identity = replace(key.management.identity, serial=SERIAL + 1)
    assert relayed(key, maker=stranger) == Refused(Refusal.CHAIN_UNKNOWN)
    assert relayed(a_key(), flipped(5, 0, 1), maker=stranger) == Refused(Refusal.CHAIN_UNKNOWN)
    assert relayed(a_key(), flipped(5, 0, 1)) == Refused(Refusal.ALTERED)


@pytest.mark.parametrize("firmware", ["5.7.2", "5.7.3"])
def test_firmware_whose_chain_is_documented_nowhere_is_unproven(firmware: str) -> None:
    key = a_key(firmware=firmware)
    assert relayed(key) == Refused(Refusal.NO_CHAIN)
    made = a_key()
    assert made.security_domain.chain  # made now, and kept
    made.management.identity = replace(made.management.identity, firmware=Firmware.parse(firmware))
    proven = relayed(made)
    assert isinstance(proven, Proven)
    assert (proven.trust, proven.facts["device.firmware"]) == (Trust.UNPROVEN, firmware)
    assert isinstance(relayed(made, maker=Manufacturer("Stranger")), Proven)


def test_older_firmware_and_keys_without_a_number_prove_nothing() -> None:
    assert relayed(a_key(firmware="5.7.1")) == Refused(Refusal.NO_CHANNEL_KEY)
    bio = VirtualYubiKey(yubikey_bio())
    assert relayed(bio) == Refused(Refusal.NO_SERIAL)


def test_a_key_that_its_owner_gave_another_version_is_asked_by_that() -> None:
    key = a_key()
    reference = KeyReference(0x13, 0x05)
    domain = key.security_domain
    plain = domain.channel_key
    domain.channel_key = lambda: replace(plain(), reference=reference)  # type: ignore[method-assign, type-var]
    key.card._channels._key = domain.channel_key
    proven = relayed(key)
    assert isinstance(proven, Proven)
    assert proven.facts["piv.pin.default"] is True


def test_the_numbers_of_keys_are_read_as_a_retail_key_tells_them() -> None:
    """In a template, and with a key of another protocol beside; from a published trace."""
    told = bytes.fromhex("e018c0061003b040f000c0061301b120f000c0061101b120f0009000")

    def host(now: int, _c: Sequence[bytes], answers: Sequence[bytes]) -> Sequence[bytes]:
        return [answers[0], told, *answers[2:]] if now == 1 else answers

    assert relayed(KEY, host) == HONEST


def test_a_host_that_names_another_version_each_time_is_not_asked_for_ever() -> None:
    def host(now: int, _c: Sequence[bytes], answers: Sequence[bytes]) -> Sequence[bytes]:
        keys = bytes.fromhex("c00413") + bytes([now + 1]) + bytes.fromhex("f0009000")
        return [answers[0], keys, *answers[2:]]

    assert relayed(KEY, host) == Refused(Refusal.NO_CHANNEL_KEY)


def test_a_key_with_piv_switched_off_proves_what_it_is() -> None:
    key = a_key()
    identity = key.management.identity
    key.management.identity = replace(identity, usb_enabled=identity.usb_enabled & ~Capability.PIV)
    proven = relayed(key)
    assert isinstance(proven, Proven)
    assert "piv" not in proven.facts["device.usb.enabled"]  # type: ignore[operator]
    assert not any(name.startswith("piv.") for name in proven.facts)


@given(st.lists(st.binary(min_size=2, max_size=80), min_size=5, max_size=5))
def test_whatever_comes_instead_of_answers_is_refused(answers: list[bytes]) -> None:
    dialogue = dialogue_about(SERIAL, KEY.manufacturer)
    dialogue.begin()
    step = dialogue.take([CardAnswer.parse(one) for one in answers])
    assert isinstance(step, Refused)
    assert not step.why.is_altered


def test_every_channel_has_a_fresh_key() -> None:
    made: list[ec.EllipticCurvePrivateKey] = []
    from server.fleet.channel.dialogue import Dialogue  # noqa: PLC0415 - as it is made here alone

    def noted() -> ec.EllipticCurvePrivateKey:
        made.append(fresh())
        return made[-1]

    dialogue = Dialogue(lambda _serial: True, NoRoots(), noted)
    KEY.power(Transport.USB)
    step: object = dialogue.begin()
    while isinstance(step, Ask):
        step = dialogue.take([CardAnswer.parse(talk(KEY, one)) for one in step.commands])
    assert len({one.private_numbers().private_value for one in made}) == len(made) == 2


class NoRoots:
    def proves(self, chain: Sequence[object]) -> bool:
        return bool(chain)


def test_an_honest_host_is_never_blamed() -> None:
    assert relayed(KEY, honest) == HONEST
