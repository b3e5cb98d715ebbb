"""The log as the device tells it: GET_LOG_ENTRIES' reply and the 32 octets of one entry."""

import hashlib
import struct
from typing import NamedTuple, Self

NUMBERS = 1 << 16
"""Entries are numbered in 16 bits and begin again at 0."""
NO_KEY = 0xFFFF
DIGEST_OCTETS = 16

_FORM = struct.Struct("!HBHHHHBL16s")
ENTRY_OCTETS = _FORM.size
_HEAD = struct.Struct("!HHB")
_RESET = b"\0\x01" + b"\xff" * 14
_REPLY = 0x80


class MalformedLogError(ValueError):
    """Not what a device answers; the message says what is wrong with it."""


class Entry(NamedTuple):
    """One entry. session_key, target, second: ids, 0xffff for none; tick: the device's clock.

    result: the command's number with the top bit set when it was done, else an error code.
    digest: the first 16 octets of SHA-256 over the rest and the digest of the entry before.
    """

    number: int
    command: int
    length: int
    session_key: int
    target: int
    second: int
    result: int
    tick: int
    digest: bytes

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """Read one entry; MalformedLogError."""
        if len(octets) != ENTRY_OCTETS:
            raise MalformedLogError(f"an entry has {ENTRY_OCTETS} octets, not {len(octets)}")
        return cls._make(_FORM.unpack(octets))

    def encode(self) -> bytes:
        """Write it as the device does."""
        return _FORM.pack(*self)

    @property
    def data(self) -> bytes:
        """All of it but the digest."""
        return self.encode()[:-DIGEST_OCTETS]

    @property
    def is_reset(self) -> bool:
        """Whether it is the first entry of a device that was reset: a new log begins."""
        return self.data == _RESET

    @property
    def is_boot(self) -> bool:
        """Whether it tells that the device started."""
        return self.command == 0 and self.session_key == NO_KEY

    @property
    def succeeded(self) -> bool:
        """Whether the command was done."""
        return self.result == self.command | _REPLY

    def follows(self, digest: bytes) -> bool:
        """Whether its own digest says that the entry before had this one."""
        return hashlib.sha256(self.data + digest).digest()[:DIGEST_OCTETS] == self.digest


class LogRead(NamedTuple):
    """The log as it was read. boots, authentications: what a full log had no room for."""

    boots: int
    authentications: int
    entries: tuple[Entry, ...]

    @classmethod
    def parse(cls, reply: bytes) -> Self:
        """Read GET_LOG_ENTRIES' reply; MalformedLogError."""
        if len(reply) < _HEAD.size:
            raise MalformedLogError("the log ends before it begins")
        boots, authentications, count = _HEAD.unpack_from(reply)
        body = reply[_HEAD.size :]
        if len(body) != count * ENTRY_OCTETS:
            raise MalformedLogError(f"{count} entries are announced, {len(body)} octets came")
        pieces = (body[at : at + ENTRY_OCTETS] for at in range(0, len(body), ENTRY_OCTETS))
        return cls(boots, authentications, tuple(map(Entry.parse, pieces)))

    def encode(self) -> bytes:
        """Write it as the device does."""
        head = _HEAD.pack(self.boots, self.authentications, len(self.entries))
        return head + b"".join(entry.encode() for entry in self.entries)
