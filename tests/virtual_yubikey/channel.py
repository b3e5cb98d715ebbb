"""Secure messaging of GlobalPlatform's SCP03 (Amendment D), the card's side: AES-128, all of it.

Commands come encrypted and with eight bytes of a chained CMAC; responses leave the same way.
"""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives import cmac, constant_time
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.virtual_yubikey.apdu import SHORT_MOST, Command, Refused, Response, Status
from tests.virtual_yubikey.tlv import number

MAC = 8
_BLOCK = 16
_END = b"\x80"
_RESPONSE = 0x80  # in a counter block: it is a response's
_WARNINGS = (0x62, 0x63)  # statuses that carry data, and so a MAC


@dataclass(frozen=True)
class SessionKeys:
    """The keys of one channel, 16 bytes each."""

    encryption: bytes = field(repr=False)
    command_mac: bytes = field(repr=False)
    response_mac: bytes = field(repr=False)


def aes_cmac(key: bytes, message: bytes) -> bytes:
    """Return the 16 bytes of AES-CMAC."""
    mac = cmac.CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


class SecureChannel:
    """One channel. chain: the MAC that the first command's continues, the receipt with SCP11."""

    def __init__(self, keys: SessionKeys, chain: bytes) -> None:
        self._keys = keys
        self._chain = chain
        self._counter = 0

    def opened(self, command: Command) -> Command:
        """Return the command as the application sees it; raises Refused."""
        sealed, mac = command.data[:-MAC], command.data[-MAC:]
        chain = aes_cmac(self._keys.command_mac, self._chain + _authenticated(command) + sealed)
        if len(mac) < MAC or not constant_time.bytes_eq(mac, chain[:MAC]):
            raise Refused(Status.SECURITY)
        if len(sealed) % _BLOCK:
            raise Refused(Status.WRONG_DATA)
        self._chain = chain
        self._counter += 1
        plain = self._unpadded(sealed) if sealed else b""
        return command.with_data(plain, cla=command.cla & ~0x04)

    def closed(self, response: Response) -> Response:
        """Return the response as it leaves; one that is an error has neither data nor MAC."""
        if response.status != Status.OK and response.status >> 8 not in _WARNINGS:
            return Response(status=response.status)
        sealed = b""
        if response.data:
            padded = response.data + _END
            padded += bytes(-len(padded) % _BLOCK)
            worker = self._cipher(_RESPONSE).encryptor()
            sealed = worker.update(padded) + worker.finalize()
        status = number(response.status, 2)
        mac = aes_cmac(self._keys.response_mac, self._chain + sealed + status)[:MAC]
        return Response(sealed + mac, response.status)

    def _unpadded(self, sealed: bytes) -> bytes:
        worker = self._cipher(0).decryptor()
        plain = (worker.update(sealed) + worker.finalize()).rstrip(b"\0")
        if not plain.endswith(_END):
            raise Refused(Status.WRONG_DATA)
        return plain[:-1]

    def _cipher(self, direction: int) -> Cipher[modes.CBC]:
        block = number(direction, 1) + number(self._counter, _BLOCK - 1)
        # One block, so ECB is the bare cipher; the standard derives the vector like this.
        worker = Cipher(algorithms.AES(self._keys.encryption), modes.ECB()).encryptor()  # noqa: S305
        vector = worker.update(block) + worker.finalize()
        return Cipher(algorithms.AES(self._keys.encryption), modes.CBC(vector))


def _authenticated(command: Command) -> bytes:
    """Return the head that the MAC covers: of chained commands that of the whole."""
    length = len(command.data)
    if command.extended or length > SHORT_MOST:
        return command.header + b"\0" + number(length, 2)
    return command.header + number(length, 1)
