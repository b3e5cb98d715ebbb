"""Commands to a card and its responses, as ISO 7816-4 writes them: short and extended.

command = Command.parse(bytes.fromhex("00F7009B00"))
Response(b"...").encode()       # with 9000
raise Refused(Status.CONDITIONS)    # what an applet does with a command that it does not carry out
"""

import struct
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Self

HEADER = 4
CHAINED = 0x10  # in the class: more of this command follows
SECURED = 0x04  # in the class: its data is encrypted and MACed
SHORT_MOST = 0xFF
_SHORT_ALL = 256
_EXTENDED_ALL = 65536


class Status(IntEnum):
    """The status words that a YubiKey answers with."""

    OK = 0x9000
    MORE = 0x6100  # the low byte says how much, at most
    WRONG_PIN = 0x63C0  # the low digit says how many tries are left
    WRONG_LENGTH = 0x6700
    SECURITY = 0x6982
    BLOCKED = 0x6983
    INVALID = 0x6984
    CONDITIONS = 0x6985
    NOT_ALLOWED = 0x6986
    WRONG_DATA = 0x6A80
    NOT_SUPPORTED = 0x6A81
    NOT_FOUND = 0x6A82
    NO_SPACE = 0x6A84
    WRONG_PARAMETERS = 0x6A86
    NO_REFERENCE = 0x6A88
    WRONG_P1_P2 = 0x6B00
    NO_INSTRUCTION = 0x6D00
    NO_CLASS = 0x6E00
    FAILED = 0x6F00


class BadApdu(ValueError):  # noqa: N818 - the name of the fact
    """The bytes are no command."""


class Refused(Exception):  # noqa: N818 - the name of the fact
    """The command is not carried out.

    status: what the client is told, a Status or a number made of one.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:04X}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Command:
    """One command. most: how many bytes of response its sender takes in one piece."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    most: int = _SHORT_ALL
    extended: bool = False

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a command; raises BadApdu."""
        if len(raw) < HEADER:
            raise BadApdu("a command has four bytes at least")
        cla, ins, p1, p2 = raw[:HEADER]
        body = raw[HEADER:]
        extended = len(body) > 2 and body[0] == 0
        data, most = _extended(body[1:]) if extended else _short(body)
        return cls(cla, ins, p1, p2, data, most, extended)

    @property
    def header(self) -> bytes:
        """Class, instruction and parameters."""
        return bytes((self.cla, self.ins, self.p1, self.p2))

    @property
    def parameters(self) -> int:
        """P1 and P2 as one number."""
        return self.p1 << 8 | self.p2

    def with_data(self, data: bytes, *, cla: int | None = None) -> "Command":
        """Return the same with other data, and another class."""
        return replace(self, data=data, cla=self.cla if cla is None else cla)


@dataclass(frozen=True, slots=True)
class Response:
    """Data, and the status word behind it."""

    data: bytes = b""
    status: int = Status.OK

    def encode(self) -> bytes:
        """Return what goes over the wire."""
        return self.data + struct.pack(">H", self.status)


def _short(body: bytes) -> tuple[bytes, int]:
    if not body:
        return b"", _SHORT_ALL
    if len(body) == 1:
        return b"", body[0] or _SHORT_ALL
    length, rest = body[0], body[1:]
    if length and len(rest) == length:
        return rest, _SHORT_ALL
    if length and len(rest) == length + 1:
        return rest[:-1], rest[-1] or _SHORT_ALL
    raise BadApdu("the length does not fit the data")


def _extended(body: bytes) -> tuple[bytes, int]:
    length, rest = int.from_bytes(body[:2], "big"), body[2:]
    if not rest:
        return b"", length or _EXTENDED_ALL
    if length and len(rest) == length:
        return rest, _EXTENDED_ALL
    if length and len(rest) == length + 2:
        return rest[:-2], int.from_bytes(rest[-2:], "big") or _EXTENDED_ALL
    raise BadApdu("the length does not fit the data")
