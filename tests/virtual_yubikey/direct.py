"""yubikit's connection to a virtual key in the same process: no reader, no daemon, so it is quick.

with DirectConnection(key) as connection: PivSession(connection)
"""

from yubikit.core import TRANSPORT
from yubikit.core.smartcard import SmartCardConnection

from tests.virtual_yubikey.identity import Transport
from tests.virtual_yubikey.plug import Insertable


class DirectConnection(SmartCardConnection):
    """A connection that powers the card, as a reader does. over: how the client thinks it came."""

    def __init__(self, card: Insertable, over: Transport = Transport.USB) -> None:
        self._card = card
        self._over = over
        card.power(over)

    @property
    def transport(self) -> TRANSPORT:
        """How the key is reached."""
        return TRANSPORT.USB if self._over is Transport.USB else TRANSPORT.NFC

    def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
        """Send a command; returns data and status."""
        answer = self._card.transceive(apdu)
        return answer[:-2], int.from_bytes(answer[-2:], "big")

    def close(self) -> None:
        """Take the card's power."""
        self._card.reset(self._over)
