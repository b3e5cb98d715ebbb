"""A message: command(1) length(2, big-endian) payload. The same outside a session and inside."""

import struct
from dataclasses import dataclass, field

from hsm.emulator.wire.command import REPLY, Command
from hsm.emulator.wire.refusal import Refusal, RefusedError

_HEADER = struct.Struct("!BH")
HEADER_SIZE = _HEADER.size


@dataclass(frozen=True, slots=True)
class Message:
    """A command's number (known or not) and its payload."""

    command: int
    payload: bytes = field(repr=False)  # keys travel in it

    @classmethod
    def parse(cls, raw: bytes) -> "Message":
        """Read one message and nothing after it; RefusedError(WRONG_LENGTH)."""
        if len(raw) < HEADER_SIZE:
            raise RefusedError(Refusal.WRONG_LENGTH)
        command, length = _HEADER.unpack_from(raw)
        payload = raw[HEADER_SIZE:]
        if len(payload) != length:
            raise RefusedError(Refusal.WRONG_LENGTH)
        return cls(command, payload)

    def encode(self) -> bytes:
        """Write the message. The payload must be shorter than 64 KiB."""
        return _HEADER.pack(self.command, len(self.payload)) + self.payload


def reply(command: int, payload: bytes) -> bytes:
    """Write the reply to a command."""
    return Message(command | REPLY, payload).encode()


def error(refusal: Refusal) -> bytes:
    """Write the reply that says no."""
    return Message(Command.ERROR, bytes([refusal])).encode()
