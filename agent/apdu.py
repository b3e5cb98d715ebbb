"""Commands to a card and its answers (ISO 7816-4, short form)."""

from typing import NamedTuple

OK = 0x9000
NOT_FOUND = 0x6A82
WRONG_PARAMETERS = (0x6A86, 0x6B00)
UNKNOWN_INSTRUCTION = 0x6D00
UNKNOWN_CLASS = 0x6E00
REFERENCE_NOT_FOUND = 0x6A88
TERMINATED = 0x6285
BLOCKED = 0x6983

MANAGEMENT = bytes.fromhex("a000000527471117")
OTP = bytes.fromhex("a0000005272001")
OATH = bytes.fromhex("a0000005272101")
PIV = bytes.fromhex("a000000308")
OPENPGP = bytes.fromhex("d27600012401")
SECURITY_DOMAIN = bytes.fromhex("a000000151000000")
FIDO = bytes.fromhex("a0000006472f0001")


class Answer(NamedTuple):
    """A card's answer. data: without the status word; status: the status word."""

    data: bytes
    status: int

    @property
    def ok(self) -> bool:
        """Whether the card did what it was asked."""
        return self.status == OK


def command(cla: int, ins: int, p1: int, p2: int, data: bytes = b"") -> bytes:
    """Return a command: with data and its length, or else with room for any answer."""
    tail = bytes([len(data)]) + data if data else b"\x00"
    return bytes([cla, ins, p1, p2]) + tail


def select(application: bytes) -> bytes:
    """Return SELECT by name."""
    return command(0x00, 0xA4, 0x04, 0x00, application)


def get_response(length: int) -> bytes:
    """Return GET RESPONSE, which fetches what did not fit. length: 0 = 256 octets."""
    return bytes([0x00, 0xC0, 0x00, 0x00, length])
