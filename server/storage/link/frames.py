"""Frames of the link: a length, a kind, a call number, a body. No meaning yet."""

import enum
import struct
from typing import NamedTuple

_HEAD = struct.Struct("!IBI")  # octets after the length; kind; call
_LENGTH = struct.Struct("!I")
_AFTER_LENGTH = _HEAD.size - _LENGTH.size

MAX_BODY = 1 << 23
"""Octets of a body: the largest TLS files there may be, and many times a full batch. More is a
fault, never a message."""


class Kind(enum.IntEnum):
    """What a frame is. Calls are answered by ANSWER or one of the failures, same call number."""

    BATCH = 1
    CLIENT = 2
    KEY = 3
    USAGE = 4
    MAINTENANCE = 5
    STATUS = 10
    ACKNOWLEDGEMENT = 11
    ANSWER = 16
    FAILED_UNAVAILABLE = 17
    FAILED_UNKNOWN = 18
    SETTINGS = 32  # control to worker, once, first
    READY = 33  # worker to control: it accepts
    DRAIN = 34  # control to worker: finish what was accepted, then end
    PING = 35  # control to worker ...
    PONG = 36  # ... and back: its event loop turns
    RETIRE = 37  # control to worker: a successor accepts; end when your connections have
    RELOAD = 38  # control to worker: read the TLS files again
    KEYS = 39  # control to worker: the vault's keys from now on ...
    HAS_KEYS = 40  # ... and back: it has them


CALLS = frozenset(
    {
        Kind.BATCH,
        Kind.CLIENT,
        Kind.KEY,
        Kind.USAGE,
        Kind.MAINTENANCE,
        Kind.STATUS,
        Kind.ACKNOWLEDGEMENT,
    }
)
ANSWERS = frozenset({Kind.ANSWER, Kind.FAILED_UNAVAILABLE, Kind.FAILED_UNKNOWN})


class FrameError(Exception):
    """The other side does not speak this protocol; the link cannot go on."""


class Frame(NamedTuple):
    """One message. call: number of the call it belongs to, 0 for signals."""

    kind: Kind
    call: int
    body: bytes

    def encode(self) -> bytes:
        """Return the frame as octets; FrameError when the body is too large."""
        if len(self.body) > MAX_BODY:
            raise FrameError(f"a message of {len(self.body)} octets is too large")
        return _HEAD.pack(_AFTER_LENGTH + len(self.body), self.kind, self.call) + self.body


class FrameReader:
    """Cuts a stream into frames; keeps what is incomplete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def incomplete(self) -> bool:
        """Whether the stream would end within a frame if it ended now."""
        return bool(self._buffer)

    def feed(self, octets: bytes) -> list[Frame]:
        """Return the frames that are complete with `octets`; FrameError ends the stream."""
        buffer = self._buffer
        buffer += octets
        frames: list[Frame] = []
        at = 0
        while len(buffer) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, at)
            if not _AFTER_LENGTH <= length <= _AFTER_LENGTH + MAX_BODY:
                raise FrameError(f"a frame cannot have {length} octets")
            end = at + _LENGTH.size + length
            if len(buffer) < end:
                break
            _, kind, call = _HEAD.unpack_from(buffer, at)
            try:
                frames.append(Frame(Kind(kind), call, bytes(buffer[at + _HEAD.size : end])))
            except ValueError:
                raise FrameError(f"there is no frame of kind {kind}") from None
            at = end
        del buffer[:at]
        return frames
