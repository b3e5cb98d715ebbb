"""CTAP2 messages: how they are refused, and read when they are not CBOR of the right kind."""

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from fido2 import cbor


class CtapStatus(IntEnum):
    """The first byte of every answer."""

    OK = 0x00
    INVALID_COMMAND = 0x01
    INVALID_PARAMETER = 0x02
    INVALID_CBOR = 0x12
    MISSING_PARAMETER = 0x14
    OPERATION_DENIED = 0x27
    PIN_INVALID = 0x31
    PIN_BLOCKED = 0x32
    PIN_AUTH_INVALID = 0x33
    PIN_AUTH_BLOCKED = 0x34
    PIN_NOT_SET = 0x35
    PIN_POLICY = 0x37


class CtapRefused(Exception):  # noqa: N818 - the name of the fact
    """The authenticator does not do it."""

    def __init__(self, status: CtapStatus) -> None:
        super().__init__(status.name)
        self.status = status


def parameters(encoded: bytes) -> Mapping[Any, Any]:
    """Return the parameters of a command; raises CtapRefused."""
    try:
        decoded = cbor.decode(encoded)
    except (LookupError, TypeError, ValueError, struct.error):  # all that the library raises
        raise CtapRefused(CtapStatus.INVALID_CBOR) from None
    if not isinstance(decoded, Mapping):
        raise CtapRefused(CtapStatus.INVALID_CBOR)
    return decoded


def octets(asked: Mapping[Any, Any], parameter: int) -> bytes:
    """Return a parameter that has to be a byte string; raises CtapRefused."""
    value = asked.get(parameter)
    if not isinstance(value, bytes):
        raise CtapRefused(CtapStatus.MISSING_PARAMETER)
    return value
