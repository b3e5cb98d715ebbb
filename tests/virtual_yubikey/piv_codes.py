"""PIN, PUK and management key of PIV: checked, changed, unblocked, reset."""

from collections.abc import Callable

from tests.virtual_yubikey.apdu import Command, Refused, Status
from tests.virtual_yubikey.identity import Identity
from tests.virtual_yubikey.piv_access import PivAccess
from tests.virtual_yubikey.piv_keys import PinPolicy, TouchPolicy
from tests.virtual_yubikey.piv_management_key import ManagementKey, ManagementKeyType
from tests.virtual_yubikey.piv_state import PivState
from tests.virtual_yubikey.tlv import fields, number, tlv

PIN, PUK, MANAGEMENT = 0x80, 0x81, 0x9B
_LENGTH = 8
_WITHOUT_TOUCH, _WITH_TOUCH = 0xFFFF, 0xFFFE
_TRIVIAL = (b"123456", b"12345678")


class PivCodes:
    """What commands do with them; each returns its response's data, or raises Refused, BadTlv."""

    def __init__(
        self, state: PivState, access: PivAccess, identity: Callable[[], Identity]
    ) -> None:
        self._state = state
        self._access = access
        self._identity = identity

    def verify(self, command: Command) -> bytes:
        """Check the PIN; without data tell the tries that are left."""
        if command.parameters != PIN:
            raise Refused(Status.NO_REFERENCE)
        pin = self._state.pin
        if not command.data:
            if self._access.verified:
                return b""
            raise pin.refusal()
        if len(command.data) != _LENGTH:
            raise Refused(Status.WRONG_DATA)
        self._access.verify(lambda: pin.check(command.data))
        return b""

    def change(self, command: Command) -> bytes:
        """Change PIN or PUK, by whoever knows it."""
        code = {PIN: self._state.pin, PUK: self._state.puk}.get(command.parameters)
        if code is None:
            raise Refused(Status.NO_REFERENCE)
        old, new = _two(command.data)
        code.check(old)
        self._require_complex(new)
        code.change(new)
        return b""

    def unblock(self, command: Command) -> bytes:
        """Set a new PIN by the PUK."""
        if command.parameters != PIN:
            raise Refused(Status.NO_REFERENCE)
        puk, new = _two(command.data)
        self._state.puk.check(puk)
        self._require_complex(new)
        self._state.pin.change(new)
        return b""

    def set_tries(self, command: Command) -> bytes:
        """Allow other numbers of tries; PIN and PUK become the factory's."""
        self._access.require_management()
        self._access.require_pin()
        if not command.p1 or not command.p2:
            raise Refused(Status.WRONG_PARAMETERS)
        self._state.pin.reset(command.p1)
        self._state.puk.reset(command.p2)
        self._access.forget()
        return b""

    def set_management(self, command: Command) -> bytes:
        """Set another management key."""
        self._access.require_management()
        if command.parameters not in (_WITHOUT_TOUCH, _WITH_TOUCH) or not command.data:
            raise Refused(Status.WRONG_PARAMETERS)
        try:
            kind = ManagementKeyType(command.data[0])
        except ValueError:
            raise Refused(Status.WRONG_DATA) from None
        value = fields(command.data[1:]).get(MANAGEMENT, b"")
        if self._identity().firmware < kind.since or len(value) != kind.size:
            raise Refused(Status.WRONG_DATA)
        touch = command.parameters == _WITH_TOUCH
        self._state.management = ManagementKey(kind, value, touch=touch)
        return b""

    def reset(self, command: Command) -> bytes:
        """Restore the factory's state, once PIN and PUK are blocked."""
        del command
        if not (self._state.pin.blocked and self._state.puk.blocked):
            raise Refused(Status.CONDITIONS)
        self._access.forget()
        self._state.restore(self._identity().firmware)
        return b""

    def metadata(self, reference: int) -> bytes:
        """Tell whether one is the factory's still, and its tries; anybody may ask."""
        if reference == MANAGEMENT:
            management = self._state.management
            touch = TouchPolicy.ALWAYS if management.touch else TouchPolicy.NEVER
            return (
                tlv(0x01, number(management.type, 1))
                + tlv(0x02, bytes((PinPolicy.DEFAULT, touch)))
                + tlv(0x05, number(management.is_default, 1))
            )
        code = self._state.pin if reference == PIN else self._state.puk
        return (
            tlv(0x01, b"\xff")
            + tlv(0x05, number(code.is_default, 1))
            + tlv(0x06, bytes((code.total, code.left)))
        )

    def _require_complex(self, code: bytes) -> None:
        """Refuse, where the key is made for it, what everybody tries first."""
        plain = code.rstrip(b"\xff")
        trivial = len(set(plain)) < 2 or plain in _TRIVIAL
        if self._identity().pin_complexity and trivial:
            raise Refused(Status.CONDITIONS)


def _two(data: bytes) -> tuple[bytes, bytes]:
    if len(data) != 2 * _LENGTH:
        raise Refused(Status.WRONG_DATA)
    return data[:_LENGTH], data[_LENGTH:]
