"""What OpenPGP keeps without power: PINs, touch policies, keys and their attributes."""

from dataclasses import dataclass, field
from enum import IntEnum

from tests.virtual_yubikey.openpgp_keys import PgpKey, attributes
from tests.virtual_yubikey.pins import Pin

SIGNATURE, DECRYPTION, AUTHENTICATION, ATTESTATION = range(4)


class TouchRule(IntEnum):
    """When a key asks for a touch; what is fixed can only go with the key."""

    OFF = 0
    ON = 1
    FIXED = 2
    CACHED = 3
    CACHED_FIXED = 4


@dataclass
class OpenPgpState:
    """What it keeps. touch and keys: signature, decryption, authentication, attestation.

    each_time: whether the PIN is asked for before every signature. reset_code: None when not set.
    """

    user: Pin = field(default_factory=lambda: Pin(b"123456", 3))
    admin: Pin = field(default_factory=lambda: Pin(b"12345678", 3))
    reset_code: Pin | None = None
    each_time: bool = True
    touch: list[TouchRule] = field(default_factory=lambda: [TouchRule.OFF] * 4)
    keys: list[PgpKey | None] = field(default_factory=lambda: [None] * 4)
    attributes: list[bytes] = field(default_factory=lambda: [attributes("RSA2048")] * 4)
    objects: dict[int, bytes] = field(default_factory=dict)
    signatures: int = 0
    terminated: bool = False
