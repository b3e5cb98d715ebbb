"""The key's FIDO interface of USB: CTAPHID packets, under the real `CtapHidDevice` of python-fido2.

A kernel's HID cannot be emulated without privileges, so this stands where the device file would:
device = CtapHidDevice(descriptor(), VirtualHidConnection(key))
"""

import secrets
import struct
from collections import deque

from fido2.hid.base import CtapHidConnection, HidDescriptor

from tests.virtual_yubikey.apdu import Refused
from tests.virtual_yubikey.tlv import number
from tests.virtual_yubikey.yubikey import VirtualYubiKey

_PACKET = 64
_BEGINS = 0x80
_EVERYBODY = 0xFFFFFFFF
_PING, _MESSAGE, _INIT, _CBOR, _ERROR = 0x01, 0x03, 0x06, 0x10, 0x3F
_READ_CONFIG = 0x42
_CAN_WINK, _CAN_CBOR = 0x01, 0x04
_BAD_COMMAND, _BAD_SEQUENCE = 0x01, 0x04
_HEAD = struct.Struct(">IBH")


def descriptor() -> HidDescriptor:
    """Return what a system says of the interface."""
    return HidDescriptor("virtual", 0x1050, 0x0407, _PACKET, _PACKET, "YubiKey OTP+FIDO+CCID", None)


class VirtualHidConnection(CtapHidConnection):
    """One program's connection. asked: the commands that were sent through it, in order."""

    def __init__(self, key: VirtualYubiKey) -> None:
        self.asked: list[tuple[int, bytes]] = []
        self._key = key
        self._channel = int.from_bytes(secrets.token_bytes(4), "big") & 0x7FFFFFFF
        self._packets: deque[bytes] = deque()
        self._command = self._length = self._sequence = 0
        self._data = b""

    def write_packet(self, data: bytes) -> None:
        """Take a packet; the last of a message is answered."""
        if data[4] & _BEGINS:
            channel, command, self._length = _HEAD.unpack_from(data)
            self._command = command & ~_BEGINS
            self._data, self._sequence = data[_HEAD.size :], 0
        else:
            channel, sequence = struct.unpack_from(">IB", data)
            if sequence != self._sequence:
                self._send(channel, _ERROR, number(_BAD_SEQUENCE, 1))
                return
            self._sequence += 1
            self._data += data[5:]
        if len(self._data) >= self._length:
            self._answer(channel, self._command, self._data[: self._length])

    def read_packet(self) -> bytes:
        """Return a packet of the answer; raises OSError when there is none to come."""
        if not self._packets:
            raise OSError("nothing was asked")
        return self._packets.popleft()

    def close(self) -> None:
        """Drop what was not read."""
        self._packets.clear()

    def _answer(self, channel: int, command: int, data: bytes) -> None:
        self.asked.append((command, data))
        fido, management = self._key.fido, self._key.management
        if command == _INIT:
            able = _CAN_WINK | _CAN_CBOR * fido.knows_ctap2
            told = struct.pack(">IB", self._channel, 2) + bytes(self._key.identity.firmware)
            self._send(_EVERYBODY, command, data + told + number(able, 1))
        elif command == _PING:
            self._send(channel, command, data)
        elif command == _CBOR and fido.knows_ctap2:
            self._send(channel, command, fido.message(data))
        elif command == _READ_CONFIG:
            try:
                self._send(channel, command, management.page(data[0] if data else 0))
            except Refused:
                self._send(channel, _ERROR, number(_BAD_COMMAND, 1))
        else:
            self._send(channel, _ERROR, number(_BAD_COMMAND, 1))

    def _send(self, channel: int, command: int, data: bytes) -> None:
        first = _HEAD.pack(channel, _BEGINS | command, len(data))
        piece, data = data[: _PACKET - len(first)], data[_PACKET - len(first) :]
        self._packets.append((first + piece).ljust(_PACKET, b"\0"))
        sequence = 0
        while data:
            piece, data = data[: _PACKET - 5], data[_PACKET - 5 :]
            head = struct.pack(">IB", channel, sequence)
            self._packets.append((head + piece).ljust(_PACKET, b"\0"))
            sequence += 1
