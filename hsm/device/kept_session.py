"""The library's session with its cipher contexts kept: for a thousand commands a second.

The library makes five contexts for every command, which is most of what a command costs the
client. Here they are made once a session; everything else is the library's. That both send the
same octets and accept the same answers is tested against each other.

CBC continues where the last message ended, so the wanted start is mixed into the first block:
E(P ^ wanted) = E((P ^ wanted ^ last) ^ last), and the same on the way back.
"""

from hmac import compare_digest

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC
from yubihsm.core import AuthSession, YubiHsm
from yubihsm.defs import COMMAND
from yubihsm.exceptions import YubiHsmDeviceError, YubiHsmInvalidResponseError

_BLOCK = 16
_MAC = 8
_HEADER = 3
_SHORTEST = _HEADER + 1 + _BLOCK + _MAC
_REPLY = bytes([COMMAND.SESSION_MESSAGE | 0x80])
_ERROR = COMMAND.ERROR


class KeptSession(AuthSession):
    """A session that was begun by the library, and goes on here. Not for several threads."""

    def __init__(self, begun: AuthSession) -> None:
        hsm: YubiHsm = begun._hsm  # noqa: SLF001 - the library hands none of this out
        sid, chain = begun._sid, begun._mac_chain  # noqa: SLF001 - the same
        encryption, mac, reply_mac = begun._key_enc, begun._key_mac, begun._key_rmac  # noqa: SLF001
        if sid is None:
            raise ValueError("the session is closed")
        super().__init__(hsm, sid, encryption, mac, reply_mac, chain)
        self._number = bytes([sid])
        # One block under a counter that never comes twice: the use SCP03 prescribes.
        self._start = Cipher(AES(encryption), ECB()).encryptor().update  # noqa: S305
        from_zero = Cipher(AES(encryption), CBC(bytes(_BLOCK)))
        self._seal = from_zero.encryptor().update
        self._open = from_zero.decryptor().update
        self._sealed_last = self._opened_last = 0
        self._command_mac = CMAC(AES(mac))
        self._reply_mac = CMAC(AES(reply_mac))

    def close(self) -> None:
        """End the session; the contexts go with it."""
        try:
            super().close()
        finally:
            self._start = self._seal = self._open = _over  # type: ignore[assignment]

    def _secure_transceive(self, msg: bytes) -> bytes:
        """Seal a command, send it, and open the answer, as the library does."""
        padded = msg + b"\x80"
        padded += bytes(-len(padded) % _BLOCK)
        start = int.from_bytes(self._start(self._ctr.to_bytes(_BLOCK)))
        first = int.from_bytes(padded[:_BLOCK]) ^ start ^ self._sealed_last
        sealed = self._seal(first.to_bytes(_BLOCK) + padded[_BLOCK:])
        self._sealed_last = int.from_bytes(sealed[-_BLOCK:])

        length = 1 + len(sealed) + _MAC
        wrapped = b"%c%b%b%b" % (
            COMMAND.SESSION_MESSAGE,
            length.to_bytes(2),
            self._number,
            sealed,
        )
        mac = self._command_mac.copy()
        mac.update(self._mac_chain + wrapped)
        chain = mac.finalize()
        answer = self._hsm._transceive(wrapped + chain[:_MAC])  # noqa: SLF001 - as the library does

        self._require(answer)
        mac = self._reply_mac.copy()
        mac.update(chain + answer[:-_MAC])
        if not compare_digest(mac.finalize()[:_MAC], answer[-_MAC:]):
            raise YubiHsmInvalidResponseError("Incorrect MAC")
        self._ctr += 1
        self._mac_chain = chain

        ciphertext = answer[_HEADER + 1 : -_MAC]
        opened = self._open(ciphertext)
        first = int.from_bytes(opened[:_BLOCK]) ^ start ^ self._opened_last
        self._opened_last = int.from_bytes(ciphertext[-_BLOCK:])
        return first.to_bytes(_BLOCK) + opened[_BLOCK:]

    def _require(self, answer: bytes) -> None:
        """Raise the library's errors for what cannot be a sealed answer of this session."""
        if answer[:1] == _REPLY:
            length = len(answer) - _HEADER
            whole = int.from_bytes(answer[1:_HEADER]) == length
            if not whole or len(answer) < _SHORTEST or (length - 1 - _MAC) % _BLOCK:
                raise YubiHsmInvalidResponseError("Wrong length")
            if answer[_HEADER : _HEADER + 1] != self._number:
                raise YubiHsmInvalidResponseError("Incorrect SID")
            return
        if len(answer) > _HEADER and answer[0] == _ERROR:
            raise YubiHsmDeviceError(answer[_HEADER])
        raise YubiHsmInvalidResponseError("Wrong command in response")


def _over(_: bytes | bytearray | memoryview) -> bytes:
    raise ValueError("the session is closed")
