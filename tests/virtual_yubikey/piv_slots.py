"""The slots of PIV: keys come in, are used as their policies say, tell what they are, go."""

from collections.abc import Callable

from cryptography.hazmat.primitives import serialization

from tests.virtual_yubikey.apdu import Command, Refused, Status
from tests.virtual_yubikey.identity import Identity
from tests.virtual_yubikey.manufacturer import Manufacturer, Signer
from tests.virtual_yubikey.piv_access import PivAccess
from tests.virtual_yubikey.piv_attestation import attested
from tests.virtual_yubikey.piv_keys import (
    KeyType,
    SlotKey,
    agreed,
    generate,
    generation,
    imported,
    known,
    policies,
    public_part,
    signed,
)
from tests.virtual_yubikey.piv_state import SLOTS, PivState
from tests.virtual_yubikey.tlv import fields, number, tlv

_DELETED = 0xFF
_ROCA = ((4, 2, 0), (4, 3, 5))  # firmware that must not generate RSA keys (YSA-2017-01)
_GENERATED, _IMPORTED = 1, 2


class PivSlots:
    """What commands do with them; each returns its response's data, or raises Refused, BadTlv."""

    def __init__(
        self,
        state: PivState,
        access: PivAccess,
        identity: Callable[[], Identity],
        manufacturer: Manufacturer,
    ) -> None:
        self._state = state
        self._access = access
        self._identity = identity
        self._manufacturer = manufacturer
        self._signer: Signer | None = None

    @property
    def signer(self) -> Signer:
        """The attestation key, made when it is first needed, and its certificate."""
        if self._signer is None:
            firmware = self._identity().firmware
            self._signer = self._manufacturer.attestation_key(firmware, "PIV Attestation")
        return self._signer

    def generate(self, command: Command) -> bytes:
        """Make a key; tells its public half."""
        self._access.require_management()
        asked = generation(command.data)
        kind = known(asked[0x80][0], self._identity().firmware)
        key = self.put(command.p2, kind, asked, made=True)
        return tlv(0x7F49, public_part(key.private))

    def take(self, command: Command) -> bytes:
        """Import a key."""
        self._access.require_management()
        kind = known(command.p1, self._identity().firmware)
        self.put(command.p2, kind, fields(command.data), made=False)
        return b""

    def put(self, slot: int, kind: KeyType, asked: dict[int, bytes], *, made: bool) -> SlotKey:
        """Put a key into a slot: made there, or carried by what is asked."""
        firmware = self._identity().firmware
        if slot not in SLOTS:
            raise Refused(Status.WRONG_PARAMETERS)
        if made and kind.rsa_bits and _ROCA[0] <= firmware < _ROCA[1]:
            raise Refused(Status.NOT_SUPPORTED)
        pin, touch = policies(slot, asked, firmware)
        private = generate(kind) if made else imported(kind, asked)
        key = SlotKey(kind, private, pin, touch, generated=made)
        self._state.keys[slot] = key
        return key

    def use(self, command: Command) -> bytes:
        """Sign, decrypt or agree with a key, as far as its policies let."""
        asked = fields(fields(command.data).get(0x7C, b""))
        key = self._state.keys.get(command.p2)
        if key is None or key.type != command.p1:
            raise Refused(Status.WRONG_DATA)
        self._access.require_consent(key)
        if 0x85 in asked:
            done = agreed(key.private, asked[0x85])
        elif 0x81 in asked:
            done = signed(key.private, asked[0x81])
        else:
            raise Refused(Status.WRONG_DATA)
        return tlv(0x7C, tlv(0x82, done))

    def move(self, command: Command) -> bytes:
        """Move a key to an empty slot, or delete it."""
        self._access.require_management()
        keys = self._state.keys
        if command.p2 not in keys:
            raise Refused(Status.NO_REFERENCE)
        if command.p1 != _DELETED and (command.p1 not in SLOTS or command.p1 in keys):
            raise Refused(Status.WRONG_PARAMETERS)
        key = keys.pop(command.p2)
        if command.p1 != _DELETED:
            keys[command.p1] = key
        return b""

    def metadata(self, slot: int) -> bytes:
        """Tell type, policies, origin and public half; anybody may ask."""
        key = self._state.keys.get(slot)
        if key is None:
            raise Refused(Status.NO_REFERENCE)
        return (
            tlv(0x01, number(key.type, 1))
            + tlv(0x02, bytes((key.pin, key.touch)))
            + tlv(0x03, number(_GENERATED if key.generated else _IMPORTED, 1))
            + tlv(0x04, public_part(key.private))
        )

    def attest(self, command: Command) -> bytes:
        """Certify a key that was made here."""
        key = self._state.keys.get(command.p1)
        if command.p2 or key is None:
            raise Refused(Status.NO_REFERENCE)
        if not key.generated:
            raise Refused(Status.WRONG_DATA)
        certificate = attested(command.p1, key, self._identity(), self.signer)
        return certificate.public_bytes(serialization.Encoding.DER)
