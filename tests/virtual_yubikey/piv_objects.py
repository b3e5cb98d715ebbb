"""The data objects of PIV: certificates and cards' data, some of them behind the PIN."""

from collections.abc import Callable

from cryptography.hazmat.primitives import serialization

from tests.virtual_yubikey.apdu import Command, Refused, Status
from tests.virtual_yubikey.manufacturer import Signer
from tests.virtual_yubikey.piv_access import PivAccess
from tests.virtual_yubikey.piv_state import ATTESTATION, ATTESTATION_OBJECT, PivState
from tests.virtual_yubikey.tlv import fields, tlv

_CURRENT = 0x3FFF  # the one set of objects that there is
_BEHIND_PIN = (0x5FC103, 0x5FC108, 0x5FC109, 0x5FC121)  # fingerprints, face, printed data, iris
_DISCOVERY = 0x7E
_DISCOVERED = tlv(0x4F, bytes.fromhex("A000000308000010000100")) + tlv(0x5F2F, b"\x40\x00")
_NUMBER = 3  # bytes


class PivObjects:
    """What commands do with them; each returns its response's data, or raises Refused, BadTlv.

    signer: the attestation key, whose certificate is an object that the factory put there.
    """

    def __init__(self, state: PivState, access: PivAccess, signer: Callable[[], Signer]) -> None:
        self._state = state
        self._access = access
        self._signer = signer

    def get(self, command: Command) -> bytes:
        """Read one."""
        if command.parameters != _CURRENT:
            raise Refused(Status.WRONG_PARAMETERS)
        identifier = int.from_bytes(fields(command.data).get(0x5C, b""), "big")
        if identifier == _DISCOVERY:
            return tlv(_DISCOVERY, _DISCOVERED)
        if identifier in _BEHIND_PIN:
            self._access.require_pin()
        if identifier == ATTESTATION_OBJECT and identifier not in self._state.objects:
            encoded = self._signer().certificate.public_bytes(serialization.Encoding.DER)
            self._state.put_certificate(ATTESTATION, encoded)
        content = self._state.objects.get(identifier)
        if not content:
            raise Refused(Status.NOT_FOUND)
        return tlv(0x53, content)

    def put(self, command: Command) -> bytes:
        """Write one, or empty it."""
        self._access.require_management()
        asked = fields(command.data)
        if command.parameters != _CURRENT:
            raise Refused(Status.WRONG_PARAMETERS)
        if 0x53 not in asked or len(asked.get(0x5C, b"")) != _NUMBER:
            raise Refused(Status.WRONG_DATA)
        self._state.objects[int.from_bytes(asked[0x5C], "big")] = asked[0x53]
        return b""
