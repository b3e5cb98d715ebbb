"""OpenPGP: PINs, touch policies and keys, as version 2.1 (firmware 4) and 3.4 (5.2) tell them."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from tests.virtual_yubikey.apdu import Command, Refused, Response, Status
from tests.virtual_yubikey.finger import Finger
from tests.virtual_yubikey.identity import Capability, Identity, Transport
from tests.virtual_yubikey.openpgp_keys import (
    PgpKey,
    attributes,
    generated,
    public_template,
    supported,
)
from tests.virtual_yubikey.pins import Pin
from tests.virtual_yubikey.tlv import number, tlv

_TERMINATED = 0x6285
_NEW = (5, 2)  # OpenPGP 3.4: attestation, and policies told together
_USER, _USER_OTHER, _ADMIN = 0x81, 0x82, 0x83  # PINs: for signing, for the rest, for changes
_ACTIVATE = 0x44
_FORGET = 0xFF  # as P1 of VERIFY
_LONGEST = 127
_BUTTON = 0x20
_POLICIES = {0xD6: 0, 0xD7: 1, 0xD8: 2, 0xD9: 3}
_ATTRIBUTES = {0xC1: 0, 0xC2: 1, 0xC3: 2, 0xDA: 3}
_CONTROL = {0xB6: 0, 0xB8: 1, 0xA4: 2}
_WRITABLE = (0x5B, 0x5E, 0x5F2D, 0x5F35, 0x5F50, 0x0101, 0x0102, 0x0103, 0x0104)
_SIGN, _DECIPHER = 0x9E9A, 0x8086
SIGNATURE, DECRYPTION, AUTHENTICATION, ATTESTATION = range(4)


class TouchRule(IntEnum):
    """When a key asks for a touch; what is fixed can only go with the key."""

    OFF = 0
    ON = 1
    FIXED = 2
    CACHED = 3
    CACHED_FIXED = 4


@dataclass
class OpenPgpState:
    """What it keeps. touch and keys: signature, decryption, authentication, attestation.

    each_time: whether the PIN is asked for before every signature. reset_code: None when not set.
    """

    user: Pin = field(default_factory=lambda: Pin(b"123456", 3))
    admin: Pin = field(default_factory=lambda: Pin(b"12345678", 3))
    reset_code: Pin | None = None
    each_time: bool = True
    touch: list[TouchRule] = field(default_factory=lambda: [TouchRule.OFF] * 4)
    keys: list[PgpKey | None] = field(default_factory=lambda: [None] * 4)
    attributes: list[bytes] = field(default_factory=lambda: [attributes("RSA2048")] * 4)
    objects: dict[int, bytes] = field(default_factory=dict)
    signatures: int = 0
    terminated: bool = False


class OpenPgp:
    """The application."""

    name = "openpgp"
    capability: Capability | None = Capability.OPENPGP
    continues = 0xC0
    only: Transport | None = None

    def __init__(self, identity: Callable[[], Identity], finger: Finger) -> None:
        self.state = OpenPgpState()
        self._identity = identity
        self._finger = finger
        self._verified: set[int] = set()

    @property
    def aid(self) -> bytes:
        """The identifier has the specification's version in it, and the serial in decimal."""
        serial = f"{(self._identity().serial or 0) % 10**8:08}"
        version = "0304" if self._new else "0201"
        return bytes.fromhex(f"D27600012401{version}0006{serial}0000")

    def select(self) -> Response:
        """Answer nothing, unless it was terminated: then a client has to activate it first."""
        return Response(status=_TERMINATED if self.state.terminated else Status.OK)

    def leave(self) -> None:
        """Forget the PINs."""
        self._verified.clear()

    def answer(self, command: Command) -> Response:
        """Carry out one command."""
        carry_out = _INSTRUCTIONS.get(command.ins)
        if carry_out is None or command.cla:
            raise Refused(Status.NO_INSTRUCTION)
        if self.state.terminated and command.ins != _ACTIVATE:
            raise Refused(_TERMINATED)
        return Response(carry_out(self, command))

    @property
    def _new(self) -> bool:
        return self._identity().firmware >= _NEW

    @property
    def _slots(self) -> range:
        return range(4 if self._new else 3)

    # What the instructions do.

    def _version(self, command: Command) -> bytes:
        del command
        return bytes.fromhex("".join(f"{part:02}" for part in self._identity().firmware))

    def _verify(self, command: Command) -> bytes:
        pin = self._pin(command.p2)
        if command.p1 == _FORGET:
            self._verified.discard(command.p2)
            return b""
        if not command.data:
            if command.p2 in self._verified:
                return b""
            raise pin.refusal()
        self._verified.discard(command.p2)
        _check(pin, command.data)
        self._verified.add(command.p2)
        return b""

    def _change(self, command: Command) -> bytes:
        pin = self._pin(command.p2)
        length = len(pin.value)
        _check(pin, command.data[:length])
        new = command.data[length:]
        _require(len(new) >= (8 if command.p2 == _ADMIN else 6), Status.CONDITIONS)
        pin.change(new)
        return b""

    def _unblock(self, command: Command) -> bytes:
        new = command.data
        if command.p1 == 0:
            code = self.state.reset_code
            if code is None:
                raise Refused(Status.BLOCKED)
            _check(code, new[: len(code.value)])
            new = new[len(code.value) :]
        else:
            _require(_ADMIN in self._verified, Status.SECURITY)
        _require(len(new) >= 6, Status.CONDITIONS)
        self.state.user.change(new)
        return b""

    def _get(self, command: Command) -> bytes:
        tag = command.parameters
        told = self._told().get(tag)
        if told is not None:
            return told
        raise Refused(Status.NO_REFERENCE)

    def _told(self) -> dict[int, bytes]:
        """Return every data object that can be read."""
        state = self.state
        tried = (state.user, state.reset_code, state.admin)
        status = bytes((not state.each_time, _LONGEST, _LONGEST, _LONGEST)) + bytes(
            pin.left if pin else 0 for pin in tried
        )
        told = {
            0x4F: self.aid,
            0x5F52: bytes.fromhex("00730000E0059000" if self._new else "0073000080059000"),
            0xC0: bytes.fromhex("7D000BFE080000FF0000"),
            0xC4: status,
            0xC5: b"".join(_fingerprint(key) for key in self._keys()),
            0xC6: bytes(20 * len(self._slots)),
            0xCD: b"".join(number(key.made if key else 0, 4) for key in self._keys()),
            0x7A: tlv(0x7A, tlv(0x93, number(state.signatures, 3))),
            0x7F66: tlv(0x02, number(3070, 2)) + tlv(0x02, number(3070, 2)),
            0x7F74: tlv(0x81, b"\x20"),
            0xF9: state.objects.get(0xF9, tlv(0x81, b"\0")),
        }
        told |= {tag: state.objects.get(tag, b"") for tag in _WRITABLE if tag not in told}
        for tag, slot in _ATTRIBUTES.items():
            if slot in self._slots:
                told[tag] = state.attributes[slot]
        for tag, slot in _POLICIES.items():
            if slot in self._slots:
                told[tag] = bytes((state.touch[slot], _BUTTON))
        if self._new:
            told[0xFA] = supported(self._identity().firmware)
            told[0xDE] = b"".join(
                bytes((reference, 0 if key is None else 1))
                for reference, key in zip((1, 2, 3, 0x81), state.keys, strict=True)
            )
        told[0x65] = tlv(0x65, b"".join(tlv(tag, told[tag]) for tag in (0x5B, 0x5F2D, 0x5F35)))
        told[0x6E] = tlv(0x6E, self._related(told))
        return told

    def _related(self, told: dict[int, bytes]) -> bytes:
        """Return what most clients read first: identifier, lengths, and most of the above."""
        inner = [0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xCD]
        if self._new:
            inner += [0xDA, 0xDE, 0xD6, 0xD7, 0xD8, 0xD9]
        discretionary = b"".join(tlv(tag, told[tag]) for tag in inner)
        outer = [0x4F, 0x5F52] + ([0x7F66, 0x7F74] if self._new else [])
        return b"".join(tlv(tag, told[tag]) for tag in outer) + tlv(0x73, discretionary)

    def _keys(self) -> list[PgpKey | None]:
        return [self.state.keys[slot] for slot in self._slots]

    def _put(self, command: Command) -> bytes:
        _require(_ADMIN in self._verified, Status.SECURITY)
        tag, data, state = command.parameters, command.data, self.state
        if tag in _POLICIES and _POLICIES[tag] in self._slots:
            slot = _POLICIES[tag]
            fixed = (TouchRule.FIXED, TouchRule.CACHED_FIXED)
            _require(state.touch[slot] not in fixed, Status.CONDITIONS)
            _require(len(data) == 2 and data[0] in list(TouchRule), Status.WRONG_DATA)
            state.touch[slot] = TouchRule(data[0])
        elif tag in _ATTRIBUTES and _ATTRIBUTES[tag] in self._slots:
            state.attributes[_ATTRIBUTES[tag]] = data
            state.keys[_ATTRIBUTES[tag]] = None
        elif tag == 0xC4:
            _require(data[:1] in (b"\0", b"\1"), Status.WRONG_DATA)
            state.each_time = data[0] == 0
        elif tag == 0xD3:
            state.reset_code = Pin(data, 3) if data else None
        elif tag == 0xF9 or tag in _WRITABLE:
            state.objects[tag] = data
        else:
            raise Refused(Status.NO_REFERENCE)
        return b""

    def _generate(self, command: Command) -> bytes:
        slot = _CONTROL.get(command.data[0]) if command.data else None
        if slot is None:
            raise Refused(Status.WRONG_DATA)
        if command.p1 == 0x80:
            _require(_ADMIN in self._verified, Status.SECURITY)
            self.state.keys[slot] = generated(self.state.attributes[slot])
        key = self.state.keys[slot]
        if key is None:
            raise Refused(Status.NO_REFERENCE)
        return public_template(key)

    def _operate(self, command: Command) -> bytes:
        if command.parameters == _SIGN:
            key = self._consented(SIGNATURE, _USER)
            if self.state.each_time:
                self._verified.discard(_USER)
            self.state.signatures += 1
            return key.signed(command.data)
        if command.parameters == _DECIPHER:
            return self._consented(DECRYPTION, _USER_OTHER).deciphered(command.data)
        raise Refused(Status.WRONG_PARAMETERS)

    def _authenticate(self, command: Command) -> bytes:
        return self._consented(AUTHENTICATION, _USER_OTHER).signed(command.data)

    def _consented(self, slot: int, pin: int) -> PgpKey:
        """Return a key that the PIN and the finger allow the use of; raises Refused."""
        key, rule = self.state.keys[slot], self.state.touch[slot]
        if key is None:
            raise Refused(Status.NO_REFERENCE)
        _require(pin in self._verified, Status.SECURITY)
        if rule in (TouchRule.ON, TouchRule.FIXED):
            _require(self._finger.touch(), Status.SECURITY)
        if rule in (TouchRule.CACHED, TouchRule.CACHED_FIXED):
            _require(self._finger.touch_cached(), Status.SECURITY)
        return key

    def _challenge(self, command: Command) -> bytes:
        return secrets.token_bytes(min(command.most, 255))

    def _set_tries(self, command: Command) -> bytes:
        _require(_ADMIN in self._verified, Status.SECURITY)
        _require(len(command.data) == 3 and all(command.data), Status.WRONG_DATA)
        user, code, admin = command.data
        for pin, total in ((self.state.user, user), (self.state.admin, admin)):
            pin.set_total(total)
        if self.state.reset_code:
            self.state.reset_code.set_total(code)
        return b""

    def _terminate(self, command: Command) -> bytes:
        del command
        allowed = self.state.admin.blocked or _ADMIN in self._verified
        _require(allowed, Status.CONDITIONS)
        self.state.terminated = True
        return b""

    def _activate(self, command: Command) -> bytes:
        del command
        if self.state.terminated:
            self.state = OpenPgpState()
            self._verified.clear()
        return b""

    def _pin(self, reference: int) -> Pin:
        if reference in (_USER, _USER_OTHER):
            return self.state.user
        if reference == _ADMIN:
            return self.state.admin
        raise Refused(Status.WRONG_PARAMETERS)


def _fingerprint(key: PgpKey | None) -> bytes:
    return key.fingerprint if key else bytes(20)


def _check(pin: Pin, given: bytes) -> None:
    """Check a PIN; other than PIV, a wrong one is told without the tries that are left."""
    try:
        pin.check(given)
    except Refused:
        raise Refused(Status.BLOCKED if pin.blocked else Status.SECURITY) from None


def _require(allowed: bool, status: int) -> None:  # noqa: FBT001 - the condition is the point
    if not allowed:
        raise Refused(status)


_INSTRUCTIONS: Mapping[int, Callable[[OpenPgp, Command], bytes]] = {
    0x20: OpenPgp._verify,
    0x24: OpenPgp._change,
    0x2A: OpenPgp._operate,
    0x2C: OpenPgp._unblock,
    0x44: OpenPgp._activate,
    0x47: OpenPgp._generate,
    0x84: OpenPgp._challenge,
    0x88: OpenPgp._authenticate,
    0xCA: OpenPgp._get,
    0xDA: OpenPgp._put,
    0xE6: OpenPgp._terminate,
    0xF1: OpenPgp._version,
    0xF2: OpenPgp._set_tries,
}
