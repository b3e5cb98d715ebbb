"""One secure channel: opens commands, closes replies, and never twice with the same counter."""

from hmac import compare_digest

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC

from hsm.emulator.channel.scp03 import (
    BLOCK,
    MAC_SIZE,
    SessionKeys,
    initial_vectors,
    pad,
    unpad,
)
from hsm.emulator.wire.command import REPLY, Command
from hsm.emulator.wire.message import Message
from hsm.emulator.wire.refusal import Refusal, RefusedError


class SecureChannel:
    """The device's end. chain: the first chaining value of the command MACs."""

    def __init__(self, keys: SessionKeys, chain: bytes) -> None:
        self._chain = chain
        self._counter = 1
        # Made once a session: what a command costs is mostly what is made for it.
        self._aes = AES(keys.encryption)
        self._vector = initial_vectors(keys.encryption)
        self._command_mac = CMAC(AES(keys.command_mac))
        self._reply_mac = CMAC(AES(keys.reply_mac))

    def open(self, session: int, sealed: bytes) -> bytes:
        """Return the command inside `sealed` (ciphertext and MAC).

        RefusedError: WRONG_LENGTH, or AUTHENTICATION_FAILED, after which the channel is dead.
        """
        ciphertext, mac = sealed[:-MAC_SIZE], sealed[-MAC_SIZE:]
        if len(mac) != MAC_SIZE or not ciphertext or len(ciphertext) % BLOCK:
            raise RefusedError(Refusal.WRONG_LENGTH)
        payload = bytes([session]) + sealed
        header = Message(Command.SESSION_MESSAGE, payload).encode()[:-MAC_SIZE]
        chain = _finish(self._command_mac, self._chain + header)
        if not compare_digest(chain[:MAC_SIZE], mac):
            raise RefusedError(Refusal.AUTHENTICATION_FAILED)
        self._chain = chain
        decryptor = self._cipher().decryptor()
        return unpad(decryptor.update(ciphertext) + decryptor.finalize())

    def close(self, session: int, inner: bytes) -> bytes:
        """Return the whole reply message with `inner` sealed inside; moves the counter on."""
        encryptor = self._cipher().encryptor()
        ciphertext = encryptor.update(pad(inner)) + encryptor.finalize()
        self._counter += 1
        body = bytes([session]) + ciphertext
        unfinished = Message(Command.SESSION_MESSAGE | REPLY, body + bytes(MAC_SIZE)).encode()
        signed = unfinished[:-MAC_SIZE]
        return signed + _finish(self._reply_mac, self._chain + signed)[:MAC_SIZE]

    def _cipher(self) -> Cipher[CBC]:
        return Cipher(self._aes, CBC(self._vector(self._counter)))


def _finish(begun: CMAC, message: bytes) -> bytes:
    mac = begun.copy()
    mac.update(message)
    return mac.finalize()
