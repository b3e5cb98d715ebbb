"""PIV, as firmware 4.3 to 5.7 has it: which command is whose, and from which firmware on."""

from collections.abc import Callable

from tests.virtual_yubikey.apdu import Command, Refused, Response, Status
from tests.virtual_yubikey.finger import Finger
from tests.virtual_yubikey.identity import Capability, Identity, Transport
from tests.virtual_yubikey.manufacturer import Manufacturer, Signer
from tests.virtual_yubikey.piv_access import PivAccess
from tests.virtual_yubikey.piv_codes import MANAGEMENT, PIN, PUK, PivCodes
from tests.virtual_yubikey.piv_keys import KeyType, PinPolicy, SlotKey, TouchPolicy
from tests.virtual_yubikey.piv_objects import PivObjects
from tests.virtual_yubikey.piv_slots import PivSlots
from tests.virtual_yubikey.piv_state import PivState
from tests.virtual_yubikey.tlv import fields, number, tlv

_SELECTED = tlv(
    0x61,
    tlv(0x4F, bytes.fromhex("000010000100")) + tlv(0x79, tlv(0x4F, bytes.fromhex("A000000308"))),
)
_ALWAYS = (0,)


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
        self.state.restore(identity().firmware)
        self.access = PivAccess(finger)
        self._identity = identity
        self._codes = codes = PivCodes(self.state, self.access, identity)
        self._slots = slots = PivSlots(self.state, self.access, identity, manufacturer)
        objects = PivObjects(self.state, self.access, lambda: slots.signer)
        # The instruction, the firmware that knows it first, and what carries it out.
        self._instructions: dict[int, tuple[tuple[int, ...], Callable[[Command], bytes]]] = {
            0x20: (_ALWAYS, codes.verify),
            0x24: (_ALWAYS, codes.change),
            0x2C: (_ALWAYS, codes.unblock),
            0x47: (_ALWAYS, slots.generate),
            0x87: (_ALWAYS, self._authenticate),
            0xCB: (_ALWAYS, objects.get),
            0xDB: (_ALWAYS, objects.put),
            0xF6: ((5, 7), slots.move),
            0xF7: ((5, 3), self._metadata),
            0xF8: ((5, 0), self._serial),
            0xF9: ((4, 3), slots.attest),
            0xFA: (_ALWAYS, codes.set_tries),
            0xFB: (_ALWAYS, codes.reset),
            0xFD: (_ALWAYS, self._version),
            0xFE: (_ALWAYS, slots.take),
            0xFF: (_ALWAYS, codes.set_management),
        }

    def select(self) -> Response:
        """Answer with the application's template."""
        return Response(_SELECTED)

    def leave(self) -> None:
        """Forget the PIN and the management key."""
        self.access.forget()

    def answer(self, command: Command) -> Response:
        """Carry out one command."""
        if command.cla:
            raise Refused(Status.NO_CLASS)
        since, carry_out = self._instructions.get(command.ins, (None, None))
        if since is None or carry_out is None or self._identity().firmware < since:
            raise Refused(Status.NO_INSTRUCTION)
        return Response(carry_out(command))

    @property
    def signer(self) -> Signer:
        """The attestation key and its certificate."""
        return self._slots.signer

    def put_key(
        self,
        slot: int,
        kind: KeyType,
        pin: PinPolicy = PinPolicy.DEFAULT,
        touch: TouchPolicy = TouchPolicy.DEFAULT,
    ) -> SlotKey:
        """Generate a key in a slot without a client; returns it."""
        asked = {0xAA: bytes((pin,)), 0xAB: bytes((touch,))}
        return self._slots.put(slot, kind, asked, made=True)

    def put_certificate(self, slot: int, encoded: bytes) -> None:
        """Put a certificate (DER) where clients look for a slot's."""
        self.state.put_certificate(slot, encoded)

    def _authenticate(self, command: Command) -> bytes:
        if command.p2 != MANAGEMENT:
            return self._slots.use(command)
        asked = fields(fields(command.data).get(0x7C, b""))
        return self.access.authenticate(self.state.management, command.p1, asked)

    def _metadata(self, command: Command) -> bytes:
        reference = command.parameters
        if reference in (PIN, PUK, MANAGEMENT):
            return self._codes.metadata(reference)
        return self._slots.metadata(reference)

    def _serial(self, command: Command) -> bytes:
        del command
        serial = self._identity().serial
        if serial is None:
            raise Refused(Status.NO_INSTRUCTION)
        return number(serial, 4)

    def _version(self, command: Command) -> bytes:
        del command
        return bytes(self._identity().firmware)
