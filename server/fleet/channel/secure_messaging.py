"""Secure messaging of SCP03 (GlobalPlatform, Amendment D 1.1.2, section 6.2), the host's side.

Everything is encrypted and has a MAC, both ways: the one security level of a YubiKey's SCP11b.
The MAC of a command continues that of the one before; the MAC of an answer continues that of its
own command. So several commands can be made before the first answer is here, and an answer is the
answer to one command and to no other.
"""

from typing import NamedTuple

from cryptography.hazmat.primitives import cmac, constant_time
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from server.fleet.channel.card import CardAnswer, GarbageError, command

KEY_OCTETS = 16
MAC_OCTETS = 8
_BLOCK = 16
_END = b"\x80"
_SECURED = 0x04
_COMMAND, _RESPONSE = 0x00, 0x80
_WARNINGS = (0x62, 0x63)


class AlteredError(Exception):
    """An answer did not come from the key as it is here: whoever relays it changed it."""


class SessionKeys(NamedTuple):
    """The keys of one channel, 16 octets each."""

    encryption: bytes
    command_mac: bytes
    response_mac: bytes

    def __repr__(self) -> str:
        return "SessionKeys(...)"


class Secured(NamedTuple):
    """A command as it is sent, and what its answer is opened with: its number, and its MAC."""

    octets: bytes
    counter: int
    chain: bytes


def aes_cmac(key: bytes, message: bytes) -> bytes:
    """Return the 16 octets of AES-CMAC (RFC 4493)."""
    mac = cmac.CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


class SecureMessaging:
    """One channel. chain: what the MAC of the first command continues; with SCP11 the receipt."""

    def __init__(self, keys: SessionKeys, chain: bytes) -> None:
        self._keys = keys
        self._chain = chain
        self._counter = 0

    def secure(self, header: bytes, data: bytes = b"") -> Secured:
        """Return the next command. header: as it would be sent in plain.

        Nothing is encrypted as a block of padding, as Yubico's own host does: the standard lets
        empty data be. Real keys are known to take this.
        """
        self._counter += 1
        header = bytes([header[0] | _SECURED]) + header[1:]
        padded = _padded(data)
        worker = self._cipher(_COMMAND, self._counter).encryptor()
        sealed = worker.update(padded) + worker.finalize()
        length = bytes([len(sealed) + MAC_OCTETS])
        self._chain = aes_cmac(self._keys.command_mac, self._chain + header + length + sealed)
        octets = command(header, sealed + self._chain[:MAC_OCTETS])
        return Secured(octets, self._counter, self._chain)

    def open(self, secured: Secured, answer: CardAnswer) -> CardAnswer | None:
        """Return the key's own answer to a command. AlteredError, GarbageError.

        None: an error. Those have no MAC, anybody between can make one up, and it proves nothing.
        """
        if not answer.ok and answer.status >> 8 not in _WARNINGS:
            return None
        sealed, mac = answer.data[:-MAC_OCTETS], answer.data[-MAC_OCTETS:]
        status = answer.status.to_bytes(2, "big")
        right = aes_cmac(self._keys.response_mac, secured.chain + sealed + status)[:MAC_OCTETS]
        if not constant_time.bytes_eq(mac, right):
            raise AlteredError("an answer has the wrong MAC: it is not what the key said")
        if not sealed:
            return CardAnswer(b"", answer.status)
        if len(sealed) % _BLOCK:
            raise GarbageError("an answer that is no whole number of blocks")
        worker = self._cipher(_RESPONSE, secured.counter).decryptor()
        plain = (worker.update(sealed) + worker.finalize()).rstrip(b"\0")
        if not plain.endswith(_END):
            raise GarbageError("an answer that ends in no padding")
        return CardAnswer(plain[: -len(_END)], answer.status)

    def _cipher(self, direction: int, counter: int) -> Cipher[modes.CBC]:
        block = bytes([direction]) + counter.to_bytes(_BLOCK - 1, "big")
        # One block, so ECB is the bare cipher: the standard derives the vector so (6.2.6, 6.2.7).
        worker = Cipher(algorithms.AES(self._keys.encryption), modes.ECB()).encryptor()  # noqa: S305
        vector = worker.update(block) + worker.finalize()
        return Cipher(algorithms.AES(self._keys.encryption), modes.CBC(vector))


def _padded(data: bytes) -> bytes:
    padded = data + _END
    return padded + bytes(-len(padded) % _BLOCK)
