"""A whole virtual YubiKey: what it is, the applications on it, the card that they are on.

key = VirtualYubiKey(yubikey_5c_nfc(serial=12345678))
key.piv.state.pin.left = 1
key.transceive(...)                 # or, through a real PC/SC daemon, tests/pcsc_daemon.py
key.traffic.sent()
"""

from tests.virtual_yubikey.card import Card
from tests.virtual_yubikey.fido import Fido
from tests.virtual_yubikey.finger import Finger
from tests.virtual_yubikey.identity import Capability, Firmware, Identity, Transport
from tests.virtual_yubikey.management import Management
from tests.virtual_yubikey.manufacturer import Manufacturer
from tests.virtual_yubikey.oath import Oath
from tests.virtual_yubikey.openpgp import OpenPgp
from tests.virtual_yubikey.otp import Otp
from tests.virtual_yubikey.piv import Piv
from tests.virtual_yubikey.scp11 import Channels
from tests.virtual_yubikey.security_domain import SecurityDomain
from tests.virtual_yubikey.traffic import Traffic

# What real ones answer to a reset; the name in the historical bytes is the product line's.
_ATR_NEO = bytes.fromhex("3BFC1300008131FE15597562696B65794E454F7233E1")
_ATR_4 = bytes.fromhex("3BF81300008131FE15597562696B657934D4")
_ATR_5 = bytes.fromhex("3BFD1300008131FE158073C021C057597562694B657940")
_ATR_NFC = bytes.fromhex("3B8D80018073C021C057597562694B6579F9")

_MANUFACTURER = Manufacturer()


class VirtualYubiKey:
    """One key. manufacturer: whose roots its attestations end in; else one that all share."""

    def __init__(
        self,
        identity: Identity,
        *,
        manufacturer: Manufacturer = _MANUFACTURER,
        finger: Finger | None = None,
    ) -> None:
        self.manufacturer = manufacturer
        self.finger = finger or Finger()
        self.management = Management(identity)
        self.piv = Piv(self._identity, manufacturer, self.finger)
        self.oath = Oath(self._identity, self.finger)
        self.openpgp = OpenPgp(self._identity, self.finger)
        self.otp = Otp(self._identity, self.finger)
        self.fido = Fido(self._identity, self.finger)
        self.security_domain = SecurityDomain(self._identity, manufacturer)
        applications = (
            *(self.management, self.piv, self.oath, self.openpgp),
            *(self.otp, self.fido, self.security_domain),
        )
        channels = Channels(self._firmware, self.security_domain.channel_key)
        self.card = Card(applications, self._enabled, channels)

    @property
    def identity(self) -> Identity:
        """What the key is, as Management has it now."""
        return self.management.identity

    @property
    def traffic(self) -> Traffic:
        """What was asked of it."""
        return self.card.traffic

    def atr(self, transport: Transport) -> bytes:
        """Return what it answers to a reset."""
        if transport is Transport.NFC:
            return _ATR_NFC
        if self.identity.firmware < (4, 0):
            return _ATR_NEO
        return _ATR_4 if self.identity.firmware < (5, 0) else _ATR_5

    def transceive(self, raw: bytes) -> bytes:
        """Answer a command."""
        return self.card.transceive(raw)

    def power(self, transport: Transport) -> None:
        """Begin anew: it was put into a reader, which is all the power it has."""
        self.finger.forget()
        self.fido.restart()
        self.card.power(transport)

    def reset(self, transport: Transport) -> None:
        """Begin a session anew: over USB the smart card alone loses power, over NFC all does."""
        if transport is Transport.NFC:
            self.power(transport)
        else:
            self.card.power(transport)

    def _identity(self) -> Identity:
        return self.management.identity

    def _firmware(self) -> Firmware:
        return self.identity.firmware

    def _enabled(self, transport: Transport) -> Capability:
        return self.identity.enabled(transport)
