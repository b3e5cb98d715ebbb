"""The request of a host that wants to enter: read strictly, and signed by the key in it."""

import base64
import binascii
import re

from agent.report import ENROLMENT_CONTEXT, signature_input
from server.fleet.enrolment import Asked
from server.fleet.signatures import HostKey
from server.journal.canonical import MalformedError, exactly, member, parse_object

FORMAT = 1
MAX_OCTETS = 8 * 1024
_MEMBERS = frozenset({"format", "token", "host", "name", "public_key", "system", "agent"})
_HOST = re.compile(r"[0-9a-f]{32}")
_MAX_NAME = 253
"""Of a name in the domain name system."""
_MAX_TOKEN = 1000
_MAX_WORD = 64
_KEY_OCTETS = 32
_WEAK = frozenset(
    bytes.fromhex(point)
    for point in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)
"""The points of small order, without their sign: signatures under these fit many messages."""


class UnknownFormatError(Exception):
    """The agent speaks a format that this version does not know."""

    def __init__(self, found: int) -> None:
        super().__init__(f"format {found} of enrolments is not known here: upgrade Keystead")


def read_enrolment(body: bytes, signature: bytes) -> Asked:
    """Return what a host asks for. MalformedError, UnknownFormatError, BadSignatureError."""
    found = parse_object(body)
    version = member(found, "format", int)
    if version != FORMAT:
        raise UnknownFormatError(version)
    exactly(found, _MEMBERS)
    host_id: str = member(found, "host", str)
    if _HOST.fullmatch(host_id) is None:
        raise MalformedError('"host" is not 32 hexadecimal digits')
    asked = Asked(
        _text(found, "token", _MAX_TOKEN),
        host_id,
        _text(found, "name", _MAX_NAME),
        _public_key(member(found, "public_key", str)),
        _text(found, "system", _MAX_WORD),
        _text(found, "agent", _MAX_WORD),
    )
    HostKey(asked.public_key).check(signature_input(ENROLMENT_CONTEXT, body), signature)
    return asked


def _text(found: dict[str, object], name: str, most: int) -> str:
    text: str = member(found, name, str)
    if not text or len(text) > most or not text.isprintable():
        raise MalformedError(f'"{name}" is empty, longer than {most} characters, or not one line')
    return text


def _public_key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_OCTETS:
        raise MalformedError('"public_key" is not the base64 of 32 octets')
    if key[:-1] + bytes([key[-1] & 0x7F]) in _WEAK:
        raise MalformedError('"public_key" is one under which anybody can sign')
    return key
