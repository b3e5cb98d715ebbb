"""Puts a card into a virtual reader: the protocol of vpcd, the PC/SC daemon's virtual driver.

The driver listens, a card connects. Frames are a length of two bytes and a body; a body of one byte
is the reader's own: power off, power on, reset, or a question for the answer to reset.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from enum import IntEnum
from types import TracebackType
from typing import Protocol, Self, TypeAlias

from tests.virtual_yubikey.identity import Transport

# What becomes of an answer on its way: command and answer to what arrives; None pulls the key.
Distortion: TypeAlias = Callable[[bytes, bytes], bytes | None]

_LENGTH = struct.Struct(">H")
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)  # Linux has it
_PATIENCE_S = 10.0


class Control(IntEnum):
    """What a reader tells a card; only the last is answered."""

    OFF = 0
    ON = 1
    RESET = 2
    ATR = 4


class Insertable(Protocol):
    """What fits into a reader: a virtual YubiKey, or another card."""

    def atr(self, transport: Transport) -> bytes:
        """Answer to a reset."""
        ...

    def power(self, transport: Transport) -> None:
        """Begin anew: it was put in."""
        ...

    def reset(self, transport: Transport) -> None:
        """Begin a session anew: the reader reset it, or took the card's power and gave it again."""
        ...

    def transceive(self, raw: bytes) -> bytes:
        """Answer a command."""
        ...


class Plug:
    """A card in a reader, until `pull`; served by a thread of its own.

    address: where the driver listens. distortion: a fault between the card and the reader.
    """

    def __init__(
        self,
        card: Insertable,
        address: tuple[str, int],
        transport: Transport = Transport.USB,
        distortion: Distortion | None = None,
    ) -> None:
        self.transport = transport
        self._distortion = distortion
        self._card = card
        card.power(transport)
        self._connection = socket.create_connection(address, _PATIENCE_S)
        self._connection.settimeout(None)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._thread = threading.Thread(target=self._serve, name="virtual card", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.pull()

    @property
    def inserted(self) -> bool:
        """Whether it is in the reader still."""
        return self._thread.is_alive()

    def pull(self) -> None:
        """Take it out, whatever it is doing; returns when it is out."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        if threading.current_thread() is not self._thread:
            self._thread.join(_PATIENCE_S)

    def _serve(self) -> None:
        with contextlib.closing(self._connection), contextlib.suppress(OSError, EOFError):
            while True:
                (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
                answer = self._answer(self._read(length))
                if answer is not None:
                    self._connection.sendall(_LENGTH.pack(len(answer)) + answer)

    def _answer(self, body: bytes) -> bytes | None:
        if len(body) == 1:
            return self._controlled(body[0])
        answer = self._card.transceive(body)
        if self._distortion is None:
            return answer
        distorted = self._distortion(body, answer)
        if distorted is None:
            raise EOFError("pulled")
        return distorted

    def _controlled(self, control: int) -> bytes | None:
        if control == Control.ATR:
            return self._card.atr(self.transport)
        if control in (Control.OFF, Control.ON, Control.RESET):
            self._card.reset(self.transport)
        return None

    def _read(self, size: int) -> bytes:
        """Read exactly that much; raises EOFError when the reader is gone."""
        read = b""
        while len(read) < size:
            if _QUICKACK is not None:
                # The driver sends length and body apart, and waits for the first to be
                # acknowledged: 40 ms for each command without this, which one read turns off.
                self._connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
            piece = self._connection.recv(size - len(read))
            if not piece:
                raise EOFError("the reader is gone")
            read += piece
        return read
