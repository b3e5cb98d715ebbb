"""The primitives of GlobalPlatform's SCP03 as YubiHSM 2 uses them, always with AES-128."""

from collections.abc import Callable
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.cmac import CMAC

from hsm.emulator.wire.refusal import Refusal, RefusedError

BLOCK = 16
MAC_SIZE = 8
CHALLENGE_SIZE = 8

_S_ENC, _S_MAC, _S_RMAC = 0x04, 0x06, 0x07
_CARD_CRYPTOGRAM, _HOST_CRYPTOGRAM = 0x00, 0x01
_PAD = b"\x80"


class SessionKeys(NamedTuple):
    """The three keys of one session, 16 octets each: secrets."""

    encryption: bytes
    command_mac: bytes
    reply_mac: bytes

    def __repr__(self) -> str:
        return "SessionKeys(...)"


def cmac(key: bytes, *parts: bytes) -> bytes:
    """Return the AES-CMAC, 16 octets, over the parts one after another."""
    mac = CMAC(AES(key))
    for part in parts:
        mac.update(part)
    return mac.finalize()


def derive(key: bytes, purpose: int, bits: int, context: bytes) -> bytes:
    """Derive `bits` (64 or 128) from a key: NIST SP 800-108, counter mode, one round."""
    label = bytes(11) + bytes([purpose, 0]) + bits.to_bytes(2) + b"\x01"
    return cmac(key, label, context)[: bits // 8]


def session_keys(encryption: bytes, mac: bytes, context: bytes) -> SessionKeys:
    """Make a session's keys from the long-lived ones and both sides' challenges."""
    return SessionKeys(
        derive(encryption, _S_ENC, 128, context),
        derive(mac, _S_MAC, 128, context),
        derive(mac, _S_RMAC, 128, context),
    )


def card_cryptogram(keys: SessionKeys, context: bytes) -> bytes:
    """Return what proves to the host that the device knows the keys."""
    return derive(keys.command_mac, _CARD_CRYPTOGRAM, 64, context)


def host_cryptogram(keys: SessionKeys, context: bytes) -> bytes:
    """Return what proves to the device that the host knows the keys."""
    return derive(keys.command_mac, _HOST_CRYPTOGRAM, 64, context)


def initial_vectors(key: bytes) -> Callable[[int], bytes]:
    """Return what gives the CBC start of message number `counter`, of both directions."""
    # One block, never the same counter twice under a key: the use SCP03 prescribes.
    encrypt = Cipher(AES(key), ECB()).encryptor().update  # noqa: S305
    return lambda counter: encrypt(counter.to_bytes(BLOCK))


def pad(message: bytes) -> bytes:
    """Append 80 00... up to a whole number of blocks; always at least one octet."""
    padded = message + _PAD
    return padded + bytes(-len(padded) % BLOCK)


def unpad(padded: bytes) -> bytes:
    """Undo `pad`; RefusedError(INVALID_DATA) when no padding of the last block is there.

    The MAC was checked before, so this tells an outsider nothing.
    """
    message = padded.rstrip(b"\0")
    if not message.endswith(_PAD) or len(padded) - len(message) >= BLOCK:
        raise RefusedError(Refusal.INVALID_DATA)
    return message[:-1]
