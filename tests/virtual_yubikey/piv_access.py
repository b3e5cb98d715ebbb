"""Who is verified in PIV now, and may do what: the PIN, the management key, a touch."""

import secrets
from collections.abc import Callable, Mapping

from tests.virtual_yubikey.apdu import Refused, Status
from tests.virtual_yubikey.finger import Finger
from tests.virtual_yubikey.piv_keys import PinPolicy, SlotKey, TouchPolicy
from tests.virtual_yubikey.piv_management_key import ManagementKey
from tests.virtual_yubikey.tlv import tlv


class PivAccess:
    """What lasts from one selection to the next; everything here raises Refused.

    verified: the PIN was given. managed: the management key was proved.
    """

    def __init__(self, finger: Finger) -> None:
        self.verified = False
        self.managed = False
        self._finger = finger
        self._fresh = False  # the PIN was given just now, and no key was used since
        self._witness = b""

    def forget(self) -> None:
        """Begin a selection: nobody is verified."""
        self.verified = self.managed = self._fresh = False
        self._witness = b""

    def verify(self, check: Callable[[], None]) -> None:
        """Verify the PIN by a check that refuses a wrong one."""
        self.verified = self._fresh = False
        check()
        self.verified = self._fresh = True

    def require_pin(self) -> None:
        """Refuse without the PIN."""
        if not self.verified:
            raise Refused(Status.SECURITY)

    def require_management(self) -> None:
        """Refuse without the management key."""
        if not self.managed:
            raise Refused(Status.SECURITY)

    def require_consent(self, key: SlotKey) -> None:
        """Refuse a key's use unless PIN and finger allow it."""
        if key.pin is PinPolicy.ONCE and not self.verified:
            raise Refused(Status.SECURITY)
        if key.pin is PinPolicy.ALWAYS and not self._fresh:
            raise Refused(Status.SECURITY)
        self._fresh = False
        if key.touch is TouchPolicy.ALWAYS and not self._finger.touch():
            raise Refused(Status.SECURITY)
        if key.touch is TouchPolicy.CACHED and not self._finger.touch_cached():
            raise Refused(Status.SECURITY)

    def authenticate(
        self, management: ManagementKey, kind: int, asked: Mapping[int, bytes]
    ) -> bytes:
        """Prove both sides: a witness to decrypt for the client, a challenge for the key."""
        if kind != management.type:
            raise Refused(Status.WRONG_DATA)
        if asked.get(0x80) == b"":
            self._witness = secrets.token_bytes(management.type.block)
            return tlv(0x7C, tlv(0x80, management.encrypted(self._witness)))
        witness, self._witness = self._witness, b""
        if not witness or asked.get(0x80) != witness:
            raise Refused(Status.SECURITY)
        if len(asked.get(0x81, b"")) != management.type.block:
            raise Refused(Status.WRONG_DATA)
        if management.touch and not self._finger.touch():
            raise Refused(Status.SECURITY)
        self.managed = True
        return tlv(0x7C, tlv(0x82, management.encrypted(asked[0x81])))
