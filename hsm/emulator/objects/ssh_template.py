"""Templates for SSH certificates: what an SSH CA key here may sign.

A list of tag(1) length(2) value: the algorithm and the public key of who states the time, the
CA keys that may sign, how long before and after that time a certificate may be valid, and the
principals never certified. As Yubico's yubihsm-ssh-tool writes them and explains them.
"""

import struct
from dataclasses import dataclass

from hsm.emulator.wire.fields import Fields
from hsm.emulator.wire.refusal import Refusal, RefusedError

_TIME_ALGORITHM, _TIME_KEY, _CA_KEYS, _NOT_BEFORE, _NOT_AFTER, _BLOCKED = range(1, 7)
NO_END = 0xFFFFFFFF
"""The not_after that lets a certificate be valid for ever, as Yubico's example needs it."""
_TAGS = range(_TIME_ALGORITHM, _BLOCKED + 1)


@dataclass(frozen=True, slots=True)
class SshTemplate:
    """A template. not_before, not_after: seconds, away from the stated time."""

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


@dataclass(frozen=True, slots=True)
class SshRequest:
    """What a template limits in a certificate. Times are seconds since 1970."""

    principals: frozenset[bytes]
    valid_after: int
    valid_before: int

    @classmethod
    def parse(cls, encoded: bytes) -> "SshRequest":
        """Read an ssh-rsa certificate without its signature (OpenSSH's PROTOCOL.certkeys)."""
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
        return cls(frozenset(names), fields.u64(), fields.u64())

    def within(self, template: SshTemplate, now: int) -> bool:
        """Whether principals and validity keep the template's limits."""
        begins = self.valid_after >= now - template.not_before
        ends = template.not_after == NO_END or self.valid_before <= now + template.not_after
        return begins and ends and not self.principals & template.blocked


def _string(fields: Fields) -> bytes:
    return fields.take(fields.u32())
