"""Templates for SSH certificates: what an SSH CA key here may sign. Taken from documents only.

A list of tag(1) length(2) value: the algorithm and the public key of who states the time, the
CA keys that may sign, between which times they may, and the principals never certified.
"""

import struct
from dataclasses import dataclass

from hsm.emulator.wire.fields import Fields
from hsm.emulator.wire.refusal import Refusal, RefusedError

_TIME_ALGORITHM, _TIME_KEY, _CA_KEYS, _NOT_BEFORE, _NOT_AFTER, _BLOCKED = range(1, 7)
_TAGS = range(_TIME_ALGORITHM, _BLOCKED + 1)


@dataclass(frozen=True, slots=True)
class SshTemplate:
    """A template. Times are seconds since 1970."""

    time_algorithm: int
    time_key: bytes
    ca_keys: frozenset[int]
    not_before: int
    not_after: int
    blocked: frozenset[bytes]

    @classmethod
    def parse(cls, encoded: bytes) -> "SshTemplate":
        """Read a template; RefusedError when it is none."""
        fields = Fields(encoded)
        values: dict[int, bytes] = {}
        while len(fields):
            tag = fields.u8()
            values[tag] = fields.take(fields.u16())
        if values.keys() != set(_TAGS) or len(values[_CA_KEYS]) % 2:
            raise RefusedError(Refusal.INVALID_DATA)
        count = len(values[_CA_KEYS]) // 2
        return cls(
            int.from_bytes(values[_TIME_ALGORITHM]),
            values[_TIME_KEY],
            frozenset(struct.unpack(f"!{count}H", values[_CA_KEYS])),
            int.from_bytes(values[_NOT_BEFORE]),
            int.from_bytes(values[_NOT_AFTER]),
            frozenset(values[_BLOCKED].split(b"\0")) - {b""},
        )


def principals(encoded: bytes) -> frozenset[bytes]:
    """Return whom a certificate that asks to be signed names (OpenSSH's PROTOCOL.certkeys).

    It must be an ssh-rsa one; RefusedError when it is none.
    """
    fields = Fields(encoded)
    if _string(fields) != b"ssh-rsa-cert-v01@openssh.com":
        raise RefusedError(Refusal.INVALID_DATA)
    for _ in ("nonce", "exponent", "modulus"):
        _string(fields)
    fields.u64()  # serial
    fields.u32()  # user or host
    _string(fields)  # key id
    listed = Fields(_string(fields))
    names = set()
    while len(listed):
        names.add(_string(listed))
    return frozenset(names)


def _string(fields: Fields) -> bytes:
    return fields.take(fields.u32())
