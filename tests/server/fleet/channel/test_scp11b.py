"""The handshake, with known answers of another maker's card, and beside yubikit's."""

from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from yubikit.core.smartcard import scp

from server.fleet.channel.card import CardAnswer, GarbageError, tlv
from server.fleet.channel.scp11b import Handshake, derive
from server.fleet.channel.secure_messaging import AlteredError
from tests.virtual_yubikey.identity import Transport, yubikey_5c_nfc
from tests.virtual_yubikey.yubikey import VirtualYubiKey

MANAGEMENT = bytes.fromhex("00a4040008a000000527471117")


def point(octets: str) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(octets))


def private(number: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int(number, 16), ec.SECP256R1())


def selected() -> VirtualYubiKey:
    key = VirtualYubiKey(yubikey_5c_nfc(31234567))
    key.power(Transport.USB)
    key.transceive(MANAGEMENT)
    return key


def static_of(key: VirtualYubiKey) -> ec.EllipticCurvePublicKey:
    return key.security_domain.state.private.public_key()


def test_a_known_session_of_a_card_is_derived_and_read() -> None:
    """The vectors of OpenSCP-Java (Apache 2.0), SCP11a with P-256, AES-128 and MACs of 8 octets.

    SCP11a has a static key of the host's in the second agreement; all after that is the same.
    """
    fresh = private("B69D2D4A2544B5938ED3C4F6319810837E4DBBEFF115BD9955607E8CDBBBACE5")
    static = private("A5116B848D41BD93737F187ABC03886BF7A80422D150025109C6749F45BB9B6D")
    asked = bytes.fromhex(
        "A60D9002110195013C8001888101105F49410470B0BD7863E90E32DA5401188354D1F41999442FDFDCBA7472"
        "B7F1E5DBBF8A32F92D9D4F9D55C60D57D39BD6D7973306CEA55F7A86884096651A9CCAC8239C92"
    )
    card = (
        "0492CAFD79D7E39EA433611E9AAD9742D85B3BD06F3D6055D7CDE28FC44D0AB556BC0F94D2100D87727FDFA2"
        "B49033C78F07A30AA8D5A6A505E59F99FCDFB25266"
    )
    domain = (
        "044F92A07D168C309959EED99E288381DD192979CD452D8FBE1F163447979207C5E6CD1F4DD11609E2100C03"
        "3BBD723BE78B71477E64883EB41EC366713E44AF1E"
    )
    receipt = bytes.fromhex("0B63C42C2D5138936FF5894F10C1234F")
    secret = fresh.exchange(ec.ECDH(), point(card)) + static.exchange(ec.ECDH(), point(domain))
    agreed = asked + tlv(0x5F49, bytes.fromhex(card))
    channel = derive(secret, agreed, receipt)
    secured = channel.secure(bytes.fromhex("80f22000"), bytes.fromhex("4f00"))
    assert secured.octets.hex() == ("84f2200018e1ee3a92ef45551e8464a252f997230dc4e84f41ba69240500")
    answer = CardAnswer.parse(
        bytes.fromhex(
            "DC8D7D92F77BB20F4AEA2C2EB70A7D93C5F0EA0F27D193679C3D1C970BED8F73C394C63A201C8D367A9F"
            "0990146D1FF5CEC2E5F90F6956EF241D2CC899BA25B964FFFB799F4C42469000"
        )
    )
    opened = channel.open(secured, answer)
    assert opened is not None
    assert opened.data.hex().upper() == (
        "08A00000015141434C010010A0000002202003010101000000000006010010A0000002202003010101000000"
        "000011010005A0000002480100"
    )
    with pytest.raises(AlteredError):
        derive(secret, agreed, bytes(16))


def test_the_same_keys_come_out_as_of_yubikit(monkeypatch: pytest.MonkeyPatch) -> None:
    key = selected()
    fresh = ec.generate_private_key(ec.SECP256R1())
    handshake = Handshake(fresh, 1)
    answers: list[bytes] = []

    def send(cla: int, ins: int, p1: int, p2: int, data: bytes) -> bytes:
        sent = bytes([cla, ins, p1, p2, len(data)]) + data + b"\0"
        assert sent == handshake.command
        answers.append(key.transceive(sent)[:-2])
        return answers[-1]

    same = SimpleNamespace(**{name: getattr(ec, name) for name in dir(ec)})
    same.generate_private_key = lambda _curve: fresh
    monkeypatch.setattr(scp, "ec", same)
    parameters = scp.Scp11KeyParams(scp.KeyRef(0x13, 1), static_of(key))
    theirs = scp.ScpState.scp11_init(send, parameters)
    ours = handshake.agree(answers[0], static_of(key))
    assert tuple(ours._keys) == tuple(theirs._keys)[:3]
    assert ours._chain == theirs._mac_chain


def test_a_key_answers_and_both_have_the_same_channel() -> None:
    key = selected()
    handshake = Handshake(ec.generate_private_key(ec.SECP256R1()), 1)
    answer = CardAnswer.parse(key.transceive(handshake.command))
    channel = handshake.agree(answer.data, static_of(key))
    secured = channel.secure(bytes.fromhex("001d0000"))
    told = channel.open(secured, CardAnswer.parse(key.transceive(secured.octets)))
    assert told is not None
    assert told.data == key.management.page(0)


@given(data=st.data())
def test_whatever_is_changed_in_the_agreement_is_found_out(data: st.DataObject) -> None:
    handshake = Handshake(ec.generate_private_key(ec.SECP256R1()), 1)
    key = selected()
    answer = bytearray(key.transceive(handshake.command)[:-2])
    answer[data.draw(st.integers(0, len(answer) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises((AlteredError, GarbageError)):
        handshake.agree(bytes(answer), static_of(key))


def test_another_key_or_an_answer_of_yesterday_opens_nothing() -> None:
    key = selected()
    yesterday = Handshake(ec.generate_private_key(ec.SECP256R1()), 1)
    old = key.transceive(yesterday.command)[:-2]
    today = Handshake(ec.generate_private_key(ec.SECP256R1()), 1)
    with pytest.raises(AlteredError):
        today.agree(old, static_of(key))
    with pytest.raises(AlteredError):
        today.agree(key.transceive(today.command)[:-2], static_of(selected()))


@given(st.binary(max_size=120))
def test_octets_that_are_no_answer_are_garbage(octets: bytes) -> None:
    handshake = Handshake(private("01"), 1)
    with pytest.raises(GarbageError):
        handshake.agree(octets, private("02").public_key())
