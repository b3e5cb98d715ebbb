"""OATH: accounts that make codes; with a password set, it tells a challenge and little else."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as with_changes

from tests.virtual_yubikey.apdu import Command, Refused, Response, Status
from tests.virtual_yubikey.finger import Finger
from tests.virtual_yubikey.identity import Capability, Identity, Transport
from tests.virtual_yubikey.tlv import fields, items, number, tlv

_NAME, _LISTED, _KEY, _CHALLENGE, _RESPONSE = 0x71, 0x72, 0x73, 0x74, 0x75
_TRUNCATED, _HOTP, _PROPERTY, _VERSION, _MOVING = 0x76, 0x77, 0x78, 0x79, 0x7A
_ALGORITHM, _TOUCH = 0x7B, 0x7C
_HASHES = {1: "sha1", 2: "sha256", 3: "sha512"}
_COUNTED = 0x10  # the type of accounts that count; the others go by the clock
_NEEDS_TOUCH = 0x02
_RESET = 0xDEAD
_OPEN_TO_ALL = (0x04, 0xA3)  # RESET, VALIDATE
_MOST = 32


@dataclass(frozen=True)
class OathAccount:
    """One account. kind: type and hash, as the protocol joins them in one byte."""

    kind: int = 0x21
    digits: int = 6
    secret: bytes = field(default=bytes(20), repr=False)
    touch: bool = False
    moving: int = 0

    @property
    def counted(self) -> bool:
        """Whether its codes go by a counter."""
        return self.kind & 0xF0 == _COUNTED

    def full(self, challenge: bytes) -> bytes:
        """Return the whole HMAC."""
        return hmac.digest(self.secret, challenge, _HASHES[self.kind & 0x0F])

    def truncated(self, challenge: bytes) -> bytes:
        """Return the four bytes that a code is made of (RFC 4226)."""
        whole = self.full(challenge)
        at = whole[-1] & 0x0F
        return bytes((whole[at] & 0x7F,)) + whole[at + 1 : at + 4]


class Oath:
    """The application. accounts: by name. access_key: made of a password, b"" for none."""

    name = "oath"
    aid = bytes.fromhex("A000000527210101")
    capability: Capability | None = Capability.OATH
    continues = 0xA5
    only: Transport | None = None

    def __init__(self, identity: Callable[[], Identity], finger: Finger) -> None:
        self.accounts: dict[bytes, OathAccount] = {}
        self.access_key = b""
        self.salt = secrets.token_bytes(8)
        self._identity = identity
        self._finger = finger
        self._challenge = b""
        self._open = False

    def set_password(self, password: str) -> None:
        """Set one without a client, as clients do: through PBKDF2 with the key's salt."""
        self.access_key = hashlib.pbkdf2_hmac("sha1", password.encode(), self.salt, 1000, 16)

    def select(self) -> Response:
        """Tell version and salt, and a challenge when a password is set."""
        told = tlv(_VERSION, bytes(self._identity().firmware)) + tlv(_NAME, self.salt)
        self._challenge = b""
        if self.access_key:
            self._challenge = secrets.token_bytes(8)
            told += tlv(_CHALLENGE, self._challenge) + tlv(_ALGORITHM, b"\x01")
        return Response(told)

    def leave(self) -> None:
        """Forget that the password was proved."""
        self._open = False

    def answer(self, command: Command) -> Response:
        """Carry out one command."""
        carry_out = _INSTRUCTIONS.get(command.ins)
        if carry_out is None or command.cla:
            raise Refused(Status.NO_INSTRUCTION)
        if self.access_key and not self._open and command.ins not in _OPEN_TO_ALL:
            raise Refused(Status.SECURITY)
        return Response(carry_out(self, command))

    def _put(self, command: Command) -> bytes:
        # The property has no length, unlike all else: 78, and its value.
        name, rest = _first(command.data, _NAME)
        key, rest = _first(rest, _KEY)
        touch = rest[:1] == bytes((_PROPERTY,))
        if touch:
            touch, rest = bool(rest[1] & _NEEDS_TOUCH), rest[2:]
        moving = int.from_bytes(fields(rest).get(_MOVING, b""), "big")
        if len(key) < 3 or key[0] & 0x0F not in _HASHES:
            raise Refused(Status.WRONG_DATA)
        if name not in self.accounts and len(self.accounts) >= _MOST:
            raise Refused(Status.NO_SPACE)
        self.accounts[name] = OathAccount(key[0], key[1], key[2:], touch, moving)
        return b""

    def _delete(self, command: Command) -> bytes:
        name, _ = self._asked_for(command)
        del self.accounts[name]
        return b""

    def _set_code(self, command: Command) -> bytes:
        asked = fields(command.data)
        key = asked.get(_KEY, b"")[1:]
        if key:
            expected = hmac.digest(key, asked.get(_CHALLENGE, b""), "sha1")
            if asked.get(_RESPONSE) != expected:
                raise Refused(Status.INVALID)
        self.access_key = key
        self._open = True
        return b""

    def _reset(self, command: Command) -> bytes:
        if command.parameters != _RESET:
            raise Refused(Status.WRONG_PARAMETERS)
        self.accounts.clear()
        self.access_key = b""
        self.salt = secrets.token_bytes(8)
        return b""

    def _rename(self, command: Command) -> bytes:
        if self._identity().firmware < (5, 3, 1):
            raise Refused(Status.NO_INSTRUCTION)
        names = [value for tag, value in items(command.data) if tag == _NAME]
        if len(names) != 2 or names[0] not in self.accounts or names[1] in self.accounts:
            raise Refused(Status.INVALID)
        self.accounts[names[1]] = self.accounts.pop(names[0])
        return b""

    def _list(self, command: Command) -> bytes:
        del command
        return b"".join(
            tlv(_LISTED, number(account.kind, 1) + name) for name, account in self.accounts.items()
        )

    def _calculate(self, command: Command) -> bytes:
        name, account = self._asked_for(command)
        if account.touch and not self._finger.touch():
            raise Refused(Status.SECURITY)
        challenge = fields(command.data).get(_CHALLENGE, b"")
        if account.counted:
            challenge = number(account.moving, 8)
            self.accounts[name] = with_changes(account, moving=account.moving + 1)
        if command.p2 == 1:
            return tlv(_TRUNCATED, number(account.digits, 1) + account.truncated(challenge))
        return tlv(_RESPONSE, number(account.digits, 1) + account.full(challenge))

    def _validate(self, command: Command) -> bytes:
        asked = fields(command.data)
        if not self.access_key or not self._challenge:
            raise Refused(Status.INVALID)
        expected = hmac.digest(self.access_key, self._challenge, "sha1")
        if not hmac.compare_digest(asked.get(_RESPONSE, b""), expected):
            raise Refused(Status.WRONG_DATA)
        self._open = True
        return tlv(_RESPONSE, hmac.digest(self.access_key, asked.get(_CHALLENGE, b""), "sha1"))

    def _calculate_all(self, command: Command) -> bytes:
        challenge = fields(command.data).get(_CHALLENGE, b"")
        told = b""
        for name, account in self.accounts.items():
            digits = number(account.digits, 1)
            told += tlv(_NAME, name)
            if account.counted:
                told += tlv(_HOTP, digits)
            elif account.touch:
                told += tlv(_TOUCH, digits)
            else:
                told += tlv(_TRUNCATED, digits + account.truncated(challenge))
        return told

    def _asked_for(self, command: Command) -> tuple[bytes, OathAccount]:
        name = fields(command.data).get(_NAME, b"")
        account = self.accounts.get(name)
        if account is None:
            raise Refused(Status.INVALID)
        return name, account


def _first(data: bytes, expected: int) -> tuple[bytes, bytes]:
    """Return the value of the first item, which has to have a tag, and what follows it."""
    tag, value = next(items(data), (0, b""))
    if tag != expected:
        raise Refused(Status.WRONG_DATA)
    return value, data[len(tlv(tag, value)) :]


_INSTRUCTIONS: Mapping[int, Callable[[Oath, Command], bytes]] = {
    0x01: Oath._put,
    0x02: Oath._delete,
    0x03: Oath._set_code,
    0x04: Oath._reset,
    0x05: Oath._rename,
    0xA1: Oath._list,
    0xA2: Oath._calculate,
    0xA3: Oath._validate,
    0xA4: Oath._calculate_all,
}
