"""What PIV's GET METADATA tells, as the facts of docs/agent.md.

Numbers are those of Yubico's PIV extensions (docs.yubico.com).
"""

from collections.abc import Mapping

from agent.report import Value
from server.fleet.channel.card import GarbageError, read_mapping

PIN, PUK, MANAGEMENT_KEY = 0x80, 0x81, 0x9B
SLOTS = (0x9A, 0x9C, 0x9D, 0x9E)
REFERENCES = (PIN, PUK, MANAGEMENT_KEY, *SLOTS)
"""All that is asked for."""

_ALGORITHM, _POLICY, _ORIGIN, _DEFAULT, _TRIES = 0x01, 0x02, 0x03, 0x05, 0x06
_ALGORITHMS = {
    0x05: "rsa3072",
    0x06: "rsa1024",
    0x07: "rsa2048",
    0x11: "ec-p256",
    0x14: "ec-p384",
    0x16: "rsa4096",
    0xE0: "ed25519",
    0xE1: "x25519",
}
_MANAGEMENT_ALGORITHMS = {0x03: "tdes", 0x08: "aes128", 0x0A: "aes192", 0x0C: "aes256"}
_PIN_POLICIES = ("default", "never", "once", "always", "match-once", "match-always")
_TOUCH_POLICIES = ("default", "never", "always", "cached")
_ORIGINS = {1: "generated", 2: "imported"}


def read_metadata(reference: int, data: bytes) -> Mapping[str, Value]:
    """Return what is told of a PIN, the management key or a slot. GarbageError."""
    values = read_mapping(data)
    if reference in (PIN, PUK):
        return _tries("piv.pin" if reference == PIN else "piv.puk", values)
    if reference == MANAGEMENT_KEY:
        return _management(values)
    name = f"piv.slot.{reference:02x}"
    kind, origin = _octets(values, _ALGORITHM, 1)[0], _octets(values, _ORIGIN, 1)[0]
    pin, touch = _octets(values, _POLICY, 2)[:2]
    return {
        f"{name}.algorithm": _ALGORITHMS.get(kind, "unknown"),
        f"{name}.origin": _ORIGINS.get(origin, "unknown"),
        f"{name}.pin_policy": _word(_PIN_POLICIES, pin),
        f"{name}.touch_policy": _word(_TOUCH_POLICIES, touch),
    }


def _tries(name: str, values: Mapping[int, bytes]) -> Mapping[str, Value]:
    total, left = _octets(values, _TRIES, 2)[:2]
    return {
        f"{name}.default": _octets(values, _DEFAULT, 1)[0] != 0,
        f"{name}.tries": left,
        f"{name}.tries_total": total,
    }


def _management(values: Mapping[int, bytes]) -> Mapping[str, Value]:
    kind = _octets(values, _ALGORITHM, 1)[0]
    return {
        "piv.management_key.default": _octets(values, _DEFAULT, 1)[0] != 0,
        "piv.management_key.algorithm": _MANAGEMENT_ALGORITHMS.get(kind, "unknown"),
        "piv.management_key.touch_policy": _word(_TOUCH_POLICIES, _octets(values, _POLICY, 2)[1]),
    }


def _octets(values: Mapping[int, bytes], tag: int, least: int) -> bytes:
    found = values.get(tag, b"")
    if len(found) < least:
        raise GarbageError("metadata that is cut short")
    return found


def _word(words: tuple[str, ...], number: int) -> str:
    return words[number] if number < len(words) else "unknown"
