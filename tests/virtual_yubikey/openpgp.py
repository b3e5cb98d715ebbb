"""OpenPGP: PINs are checked, keys used as their touch policies say, and the rest is told."""

import secrets
from collections.abc import Callable, Mapping

from tests.virtual_yubikey.apdu import Command, Refused, Response, Status
from tests.virtual_yubikey.finger import Finger
from tests.virtual_yubikey.identity import Capability, Identity, Transport
from tests.virtual_yubikey.openpgp_keys import PgpKey, generated, public_template
from tests.virtual_yubikey.openpgp_objects import (
    ATTRIBUTES,
    POLICIES,
    WRITABLE,
    application_identifier,
    readable,
    slots,
)
from tests.virtual_yubikey.openpgp_state import (
    AUTHENTICATION,
    DECRYPTION,
    SIGNATURE,
    OpenPgpState,
    TouchRule,
)
from tests.virtual_yubikey.pins import Pin

__all__ = ["OpenPgp", "OpenPgpState", "TouchRule"]

_TERMINATED = 0x6285
_USER, _USER_OTHER, _ADMIN = 0x81, 0x82, 0x83  # PINs: for signing, for the rest, for changes
_ACTIVATE = 0x44
_FORGET = 0xFF  # as P1 of VERIFY
_CONTROL = {0xB6: 0, 0xB8: 1, 0xA4: 2}
_SIGN, _DECIPHER = 0x9E9A, 0x8086


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
        """Its identifier, which tells the serial."""
        return application_identifier(self._identity())

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
        told = readable(self.state, self._identity()).get(command.parameters)
        if told is None:
            raise Refused(Status.NO_REFERENCE)
        return told

    def _put(self, command: Command) -> bytes:
        _require(_ADMIN in self._verified, Status.SECURITY)
        tag, data, state = command.parameters, command.data, self.state
        if tag in POLICIES and POLICIES[tag] in slots(self._identity().firmware):
            slot = POLICIES[tag]
            fixed = (TouchRule.FIXED, TouchRule.CACHED_FIXED)
            _require(state.touch[slot] not in fixed, Status.CONDITIONS)
            _require(len(data) == 2 and data[0] in list(TouchRule), Status.WRONG_DATA)
            state.touch[slot] = TouchRule(data[0])
        elif tag in ATTRIBUTES and ATTRIBUTES[tag] in slots(self._identity().firmware):
            state.attributes[ATTRIBUTES[tag]] = data
            state.keys[ATTRIBUTES[tag]] = None
        elif tag == 0xC4:
            _require(data[:1] in (b"\0", b"\1"), Status.WRONG_DATA)
            state.each_time = data[0] == 0
        elif tag == 0xD3:
            state.reset_code = Pin(data, 3) if data else None
        elif tag == 0xF9 or tag in WRITABLE:
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
