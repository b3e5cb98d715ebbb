"""A virtual key, a host that relays (or does not), and the server's end of the channel."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec

from server.fleet.attestation_bundle import AttestationBundle
from server.fleet.channel.card import CardAnswer
from server.fleet.channel.dialogue import Ask, Dialogue, Proven, Refused
from server.fleet.channel.roots import BundleRoots
from tests.virtual_yubikey.identity import Transport, yubikey_5c_nfc
from tests.virtual_yubikey.manufacturer import Manufacturer
from tests.virtual_yubikey.yubikey import VirtualYubiKey

SERIAL = 31234567

Host = Callable[[int, Sequence[bytes], Sequence[bytes]], Sequence[bytes]]
"""Given the round, its commands and the key's answers: returns what the server gets."""


NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def roots_of(maker: Manufacturer) -> BundleRoots:
    """Return what a server knows of the virtual manufacturer, as it does of the real one."""
    bundle = AttestationBundle(1, NOW.date(), tuple(maker.roots), tuple(maker.intermediates))
    return BundleRoots(bundle, lambda: NOW)


def a_key(serial: int = SERIAL, firmware: str = "5.7.4") -> VirtualYubiKey:
    return VirtualYubiKey(yubikey_5c_nfc(serial, firmware))


def honest(_round: int, _commands: Sequence[bytes], answers: Sequence[bytes]) -> Sequence[bytes]:
    return answers


def fresh() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def talk(key: VirtualYubiKey, command: bytes) -> bytes:
    """Ask a key; an answer in parts is put together."""
    answer = key.transceive(command)
    data = answer[:-2]
    while answer[-2] == 0x61:
        answer = key.transceive(bytes.fromhex("00c0000000"))
        data += answer[:-2]
    return data + answer[-2:]


def dialogue_about(serial: int, maker: Manufacturer) -> Dialogue:
    return Dialogue(lambda told: told == serial, roots_of(maker), fresh)


def relayed(
    key: VirtualYubiKey,
    host: Host = honest,
    *,
    serial: int = SERIAL,
    maker: Manufacturer | None = None,
) -> Proven | Refused:
    """Have a key read through a host. maker: whose roots the server has; else the key's own."""
    key.power(Transport.USB)
    dialogue = dialogue_about(serial, maker or key.manufacturer)
    step: Ask | Proven | Refused = dialogue.begin()
    rounds = 0
    while isinstance(step, Ask):
        rounds += 1
        answers = host(rounds, step.commands, [talk(key, one) for one in step.commands])
        step = dialogue.take([CardAnswer.parse(one) for one in answers])
    return step
