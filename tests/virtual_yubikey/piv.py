"""PIV, as firmware 4.3 to 5.7 has it: PINs, slots with policies, objects, metadata, attestation."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization

from tests.virtual_yubikey.apdu import Command, Refused, Response, Status
from tests.virtual_yubikey.finger import Finger
from tests.virtual_yubikey.identity import Capability, Identity, Transport
from tests.virtual_yubikey.manufacturer import Manufacturer, Signer
from tests.virtual_yubikey.pins import Pin
from tests.virtual_yubikey.piv_attestation import attested
from tests.virtual_yubikey.piv_keys import (
    KeyType,
    PinPolicy,
    SlotKey,
    TouchPolicy,
    agreed,
    generate,
    generation,
    imported,
    known,
    policies,
    public_part,
    signed,
)
from tests.virtual_yubikey.piv_management_key import ManagementKey, ManagementKeyType
from tests.virtual_yubikey.tlv import fields, number, tlv

PIN, PUK, MANAGEMENT, ATTESTATION = 0x80, 0x81, 0x9B, 0xF9
SLOTS = (0x9A, 0x9C, 0x9D, 0x9E, *range(0x82, 0x96))
DEFAULT_PIN, DEFAULT_PUK = b"123456\xff\xff", b"12345678"

_PIN_LENGTH = 8
_OBJECT_OF_CHIEF = {0x9A: 0x5FC105, 0x9C: 0x5FC10A, 0x9D: 0x5FC10B, 0x9E: 0x5FC101}
_OBJECT_OF_RETIRED = 0x5FC10D
_OBJECT_OF_ATTESTATION = 0x5FFF01
_BEHIND_PIN = (0x5FC103, 0x5FC108, 0x5FC109, 0x5FC121)  # fingerprints, face, printed data, iris
_DISCOVERY = 0x7E
_DISCOVERED = tlv(0x4F, bytes.fromhex("A000000308000010000100")) + tlv(0x5F2F, b"\x40\x00")
_SELECTED = tlv(
    0x61,
    tlv(0x4F, bytes.fromhex("000010000100")) + tlv(0x79, tlv(0x4F, bytes.fromhex("A000000308"))),
)
_DELETED = 0xFF
_ROCA = ((4, 2, 0), (4, 3, 5))  # firmware that must not generate RSA keys (YSA-2017-01)


def certificate_object(slot: int) -> int:
    """Return the number of the object that a slot's certificate is in."""
    if slot == ATTESTATION:
        return _OBJECT_OF_ATTESTATION
    return _OBJECT_OF_CHIEF.get(slot) or _OBJECT_OF_RETIRED + slot - 0x82


@dataclass
class PivState:
    """What PIV keeps without power. objects: by number, without their tag 53."""

    pin: Pin = field(default_factory=lambda: Pin(DEFAULT_PIN, 3))
    puk: Pin = field(default_factory=lambda: Pin(DEFAULT_PUK, 3))
    management: ManagementKey = field(default_factory=ManagementKey)
    keys: dict[int, SlotKey] = field(default_factory=dict)
    objects: dict[int, bytes] = field(default_factory=dict)


class Piv:
    """The application. identity: asked for when it is needed, because Management may change it."""

    name = "piv"
    aid = bytes.fromhex("A000000308000010000100")
    capability: Capability | None = Capability.PIV
    continues = 0xC0
    only: Transport | None = None

    def __init__(
        self, identity: Callable[[], Identity], manufacturer: Manufacturer, finger: Finger
    ) -> None:
        self.state = PivState()
        self._identity = identity
        self._manufacturer = manufacturer
        self._finger = finger
        self._verified = False
        self._fresh = False  # the PIN was verified just now, and no key was used since
        self._managed = False
        self._witness = b""
        self._signer: Signer | None = None
        self._factory()

    def select(self) -> Response:
        """Answer with the application's template."""
        return Response(_SELECTED)

    def leave(self) -> None:
        """Forget the PIN and the management key."""
        self._verified = self._fresh = self._managed = False
        self._witness = b""

    def answer(self, command: Command) -> Response:
        """Carry out one command."""
        if command.cla != 0 or command.ins not in _INSTRUCTIONS:
            raise Refused(Status.NO_CLASS if command.cla else Status.NO_INSTRUCTION)
        since, carry_out = _INSTRUCTIONS[command.ins]
        if self._identity().firmware < since:
            raise Refused(Status.NO_INSTRUCTION)
        return Response(carry_out(self, command))

    @property
    def signer(self) -> Signer:
        """The attestation key, made when it is first needed, and its certificate."""
        if self._signer is None:
            firmware = self._identity().firmware
            self._signer = self._manufacturer.attestation_key(firmware, "PIV Attestation")
        return self._signer

    def put_key(
        self,
        slot: int,
        kind: KeyType,
        pin: PinPolicy = PinPolicy.DEFAULT,
        touch: TouchPolicy = TouchPolicy.DEFAULT,
    ) -> SlotKey:
        """Generate a key in a slot without a client; returns it."""
        asked = {0xAA: bytes((pin,)), 0xAB: bytes((touch,))}
        return self._put(slot, kind, asked, None)

    def put_certificate(self, slot: int, encoded: bytes) -> None:
        """Put a certificate (DER) where clients look for a slot's."""
        content = tlv(0x70, encoded) + tlv(0x71, b"\0") + tlv(0xFE)
        self.state.objects[certificate_object(slot)] = content

    # What the instructions do, in their order.

    def _verify(self, command: Command) -> bytes:
        if command.parameters != PIN:
            raise Refused(Status.NO_REFERENCE)
        pin = self.state.pin
        if not command.data:
            if self._verified:
                return b""
            raise pin.refusal()
        if len(command.data) != _PIN_LENGTH:
            raise Refused(Status.WRONG_DATA)
        self._verified = self._fresh = False
        pin.check(command.data)
        self._verified = self._fresh = True
        return b""

    def _change(self, command: Command) -> bytes:
        code = {PIN: self.state.pin, PUK: self.state.puk}.get(command.parameters)
        if code is None:
            raise Refused(Status.NO_REFERENCE)
        old, new = _two_codes(command.data)
        code.check(old)
        self._require_complex(new)
        code.change(new)
        return b""

    def _unblock(self, command: Command) -> bytes:
        if command.parameters != PIN:
            raise Refused(Status.NO_REFERENCE)
        puk, new = _two_codes(command.data)
        self.state.puk.check(puk)
        self._require_complex(new)
        self.state.pin.change(new)
        return b""

    def _generate(self, command: Command) -> bytes:
        self._require_management()
        asked = generation(command.data)
        kind = known(asked[0x80][0], self._identity().firmware)
        key = self._put(command.p2, kind, asked, None)
        return tlv(0x7F49, public_part(key.private))

    def _import(self, command: Command) -> bytes:
        self._require_management()
        kind = known(command.p1, self._identity().firmware)
        self._put(command.p2, kind, fields(command.data), command.data)
        return b""

    def _put(
        self, slot: int, kind: KeyType, asked: dict[int, bytes], carried: bytes | None
    ) -> SlotKey:
        """Put a key into a slot: one that a client carries there, or a new one."""
        firmware = self._identity().firmware
        if slot not in SLOTS:
            raise Refused(Status.WRONG_PARAMETERS)
        if carried is None and kind.rsa_bits and _ROCA[0] <= firmware < _ROCA[1]:
            raise Refused(Status.NOT_SUPPORTED)
        pin, touch = policies(slot, asked, firmware)
        private = generate(kind) if carried is None else imported(kind, asked)
        key = SlotKey(kind, private, pin, touch, generated=carried is None)
        self.state.keys[slot] = key
        return key

    def _authenticate(self, command: Command) -> bytes:
        asked = fields(fields(command.data).get(0x7C, b""))
        if command.p2 == MANAGEMENT:
            return self._authenticate_manager(command.p1, asked)
        key = self.state.keys.get(command.p2)
        if key is None or key.type != command.p1:
            raise Refused(Status.WRONG_DATA)
        self._require_consent(key)
        if 0x85 in asked:
            done = agreed(key.private, asked[0x85])
        elif 0x81 in asked:
            done = signed(key.private, asked[0x81])
        else:
            raise Refused(Status.WRONG_DATA)
        return tlv(0x7C, tlv(0x82, done))

    def _authenticate_manager(self, kind: int, asked: Mapping[int, bytes]) -> bytes:
        """Prove both sides: a witness to decrypt for the client, a challenge for the key."""
        management = self.state.management
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
        self._managed = True
        return tlv(0x7C, tlv(0x82, management.encrypted(asked[0x81])))

    def _get_data(self, command: Command) -> bytes:
        _require_parameters(command, 0x3FFF)
        identifier = int.from_bytes(fields(command.data).get(0x5C, b""), "big")
        if identifier == _DISCOVERY:
            return tlv(_DISCOVERY, _DISCOVERED)
        if identifier in _BEHIND_PIN and not self._verified:
            raise Refused(Status.SECURITY)
        if identifier == _OBJECT_OF_ATTESTATION and identifier not in self.state.objects:
            encoded = self.signer.certificate.public_bytes(serialization.Encoding.DER)
            self.put_certificate(ATTESTATION, encoded)
        content = self.state.objects.get(identifier)
        if not content:
            raise Refused(Status.NOT_FOUND)
        return tlv(0x53, content)

    def _put_data(self, command: Command) -> bytes:
        self._require_management()
        _require_parameters(command, 0x3FFF)
        asked = fields(command.data)
        if 0x53 not in asked or len(asked.get(0x5C, b"")) != 3:
            raise Refused(Status.WRONG_DATA)
        self.state.objects[int.from_bytes(asked[0x5C], "big")] = asked[0x53]
        return b""

    def _move(self, command: Command) -> bytes:
        self._require_management()
        if command.p2 not in self.state.keys:
            raise Refused(Status.NO_REFERENCE)
        if command.p1 != _DELETED and (command.p1 not in SLOTS or command.p1 in self.state.keys):
            raise Refused(Status.WRONG_PARAMETERS)
        key = self.state.keys.pop(command.p2)
        if command.p1 != _DELETED:
            self.state.keys[command.p1] = key
        return b""

    def _metadata(self, command: Command) -> bytes:
        slot = command.parameters
        if slot in (PIN, PUK):
            code = self.state.pin if slot == PIN else self.state.puk
            return (
                tlv(0x01, b"\xff")
                + tlv(0x05, number(code.is_default, 1))
                + tlv(0x06, bytes((code.total, code.left)))
            )
        if slot == MANAGEMENT:
            management = self.state.management
            touch = TouchPolicy.ALWAYS if management.touch else TouchPolicy.NEVER
            return (
                tlv(0x01, number(management.type, 1))
                + tlv(0x02, bytes((PinPolicy.DEFAULT, touch)))
                + tlv(0x05, number(management.is_default, 1))
            )
        key = self.state.keys.get(slot)
        if key is None:
            raise Refused(Status.NO_REFERENCE)
        return (
            tlv(0x01, number(key.type, 1))
            + tlv(0x02, bytes((key.pin, key.touch)))
            + tlv(0x03, number(1 if key.generated else 2, 1))
            + tlv(0x04, public_part(key.private))
        )

    def _serial(self, command: Command) -> bytes:
        del command
        serial = self._identity().serial
        if serial is None:
            raise Refused(Status.NO_INSTRUCTION)
        return number(serial, 4)

    def _attest(self, command: Command) -> bytes:
        key = self.state.keys.get(command.p1)
        if command.p2 or key is None:
            raise Refused(Status.NO_REFERENCE)
        if not key.generated:
            raise Refused(Status.WRONG_DATA)
        certificate = attested(command.p1, key, self._identity(), self.signer)
        return certificate.public_bytes(serialization.Encoding.DER)

    def _set_tries(self, command: Command) -> bytes:
        self._require_management()
        if not self._verified:
            raise Refused(Status.SECURITY)
        if not command.p1 or not command.p2:
            raise Refused(Status.WRONG_PARAMETERS)
        self.state.pin.reset(command.p1)
        self.state.puk.reset(command.p2)
        self._verified = self._fresh = False
        return b""

    def _reset(self, command: Command) -> bytes:
        del command
        if not (self.state.pin.blocked and self.state.puk.blocked):
            raise Refused(Status.CONDITIONS)
        self.leave()
        self._factory()
        return b""

    def _version(self, command: Command) -> bytes:
        del command
        return bytes(self._identity().firmware)

    def _set_management(self, command: Command) -> bytes:
        self._require_management()
        if command.parameters not in (0xFFFF, 0xFFFE) or not command.data:
            raise Refused(Status.WRONG_PARAMETERS)
        try:
            kind = ManagementKeyType(command.data[0])
        except ValueError:
            raise Refused(Status.WRONG_DATA) from None
        value = fields(command.data[1:]).get(MANAGEMENT, b"")
        if self._identity().firmware < kind.since or len(value) != kind.size:
            raise Refused(Status.WRONG_DATA)
        touch = command.parameters == 0xFFFE
        self.state.management = ManagementKey(kind, value, touch=touch)
        return b""

    def _factory(self) -> None:
        firmware = self._identity().firmware
        kind = ManagementKeyType.AES192 if firmware >= (5, 7) else ManagementKeyType.TDES
        self.state = PivState(management=ManagementKey(kind))

    def _require_management(self) -> None:
        if not self._managed:
            raise Refused(Status.SECURITY)

    def _require_complex(self, code: bytes) -> None:
        """Refuse, where the key is made for it, what everybody tries first."""
        plain = code.rstrip(b"\xff")
        trivial = len(set(plain)) < 2 or plain in (b"123456", b"12345678")
        if self._identity().pin_complexity and trivial:
            raise Refused(Status.CONDITIONS)

    def _require_consent(self, key: SlotKey) -> None:
        """Raise Refused unless the PIN and the finger allow the key's use."""
        if key.pin is PinPolicy.ONCE and not self._verified:
            raise Refused(Status.SECURITY)
        if key.pin is PinPolicy.ALWAYS and not self._fresh:
            raise Refused(Status.SECURITY)
        self._fresh = False
        if key.touch is TouchPolicy.ALWAYS and not self._finger.touch():
            raise Refused(Status.SECURITY)
        if key.touch is TouchPolicy.CACHED and not self._finger.touch_cached():
            raise Refused(Status.SECURITY)


def _two_codes(data: bytes) -> tuple[bytes, bytes]:
    if len(data) != 2 * _PIN_LENGTH:
        raise Refused(Status.WRONG_DATA)
    return data[:_PIN_LENGTH], data[_PIN_LENGTH:]


def _require_parameters(command: Command, expected: int) -> None:
    if command.parameters != expected:
        raise Refused(Status.WRONG_PARAMETERS)


# The instruction, the firmware that knows it first, and what carries it out.
_INSTRUCTIONS: Mapping[int, tuple[tuple[int, ...], Callable[[Piv, Command], bytes]]] = {
    0x20: ((1,), Piv._verify),
    0x24: ((1,), Piv._change),
    0x2C: ((1,), Piv._unblock),
    0x47: ((1,), Piv._generate),
    0x87: ((1,), Piv._authenticate),
    0xCB: ((1,), Piv._get_data),
    0xDB: ((1,), Piv._put_data),
    0xF6: ((5, 7), Piv._move),
    0xF7: ((5, 3), Piv._metadata),
    0xF8: ((5, 0), Piv._serial),
    0xF9: ((4, 3), Piv._attest),
    0xFA: ((1,), Piv._set_tries),
    0xFB: ((1,), Piv._reset),
    0xFD: ((1,), Piv._version),
    0xFE: ((1,), Piv._import),
    0xFF: ((1,), Piv._set_management),
}
