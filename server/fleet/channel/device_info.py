"""What READ CONFIG tells, as the facts of docs/agent.md. An agent reads the same of its own.

It is read here a second time, from octets that came through a channel: what an agent makes of
them is its word. Numbers and names as in Yubico's yubikit/management.py (BSD); tests compare both
readings, and yubikit's.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from agent.report import Value
from server.fleet.channel.card import GarbageError, read_mapping

MAX_PAGES = 3
"""That are asked for: firmware 5.7 has two."""

_CAPABILITIES = {
    0x001: "otp",
    0x002: "u2f",
    0x008: "openpgp",
    0x010: "piv",
    0x020: "oath",
    0x100: "hsmauth",
    0x200: "fido2",
}
_FIPS = {0x01: "fido2", 0x02: "piv", 0x04: "openpgp", 0x08: "oath", 0x10: "hsmauth"}
_NO_APPLICATIONS = (2, 10)  # bits that say that CCID and management are there
_FORMS = {
    0x01: "usb-a-keychain",
    0x02: "usb-a-nano",
    0x03: "usb-c-keychain",
    0x04: "usb-c-nano",
    0x05: "usb-c-lightning",
    0x06: "usb-a-bio",
    0x07: "usb-c-bio",
}
_FLAGS = {0x40: "remote-wakeup", 0x80: "eject"}
_STAGES = {0: "alpha", 1: "beta", 2: "final"}

_USB_SUPPORTED, _SERIAL, _USB_ENABLED, _FORM, _VERSION = 0x01, 0x02, 0x03, 0x04, 0x05
_FLAGS_TAG, _LOCK, _NFC_SUPPORTED, _NFC_ENABLED, _MORE = 0x08, 0x0A, 0x0D, 0x0E, 0x10
_PART, _FIPS_CAPABLE, _FIPS_APPROVED, _PIN_COMPLEXITY = 0x13, 0x14, 0x15, 0x16
_NFC_RESTRICTED, _RESET_BLOCKED, _QUALIFIER, _FPS, _STM = 0x17, 0x18, 0x19, 0x20, 0x21
_PART_NUMBER = re.compile(rb"[\x20-\x7e]{1,40}")

Version = tuple[int, int, int]


class DeviceInfo(NamedTuple):
    """What a key says it is. serial: None where it tells none."""

    serial: int | None
    firmware: Version
    facts: Mapping[str, Value]


def read_pages(pages: Sequence[bytes]) -> DeviceInfo:
    """Read the pages in their order, up to the last. GarbageError: also when one is missing.

    From firmware 5.7 a tag that is not there means no: a page that a host kept back would say so.
    """
    values: dict[int, bytes] = {}
    more = True
    for page in pages:
        if not more:
            raise GarbageError("a page beyond the last")
        if not page or page[0] != len(page) - 1:
            raise GarbageError("a configuration that is not as long as it says")
        found = read_mapping(page[1:])
        more = _number(found.pop(_MORE, b"")) != 0
        values.update(found)
    if more:
        raise GarbageError("a configuration without its last page")
    firmware = _version(values, _VERSION)
    facts: dict[str, Value] = {"device.firmware": _dotted(firmware)}
    facts |= _device(values) | _newer(values)
    if _QUALIFIER in values:
        facts |= _preview(read_mapping(values[_QUALIFIER]))
    return DeviceInfo(_number(values.get(_SERIAL, b"")) or None, firmware, facts)


def _device(values: Mapping[int, bytes]) -> dict[str, Value]:
    form = _number(values.get(_FORM, b""))
    facts: dict[str, Value] = {
        "device.form_factor": _FORMS.get(form & 0x0F, "unknown"),
        "device.fips_series": bool(form & 0x80),
        "device.security_key_series": bool(form & 0x40),
        "device.config_locked": _flag(values, _LOCK),
        "device.flags": _words(values, _FLAGS_TAG, _FLAGS),
        "device.usb.supported": _words(values, _USB_SUPPORTED, _CAPABILITIES),
        "device.usb.enabled": _words(values, _USB_ENABLED, _CAPABILITIES),
    }
    if _NFC_SUPPORTED in values:
        facts["device.nfc.supported"] = _words(values, _NFC_SUPPORTED, _CAPABILITIES)
        facts["device.nfc.enabled"] = _words(values, _NFC_ENABLED, _CAPABILITIES)
    return facts


def _newer(values: Mapping[int, bytes]) -> dict[str, Value]:
    facts: dict[str, Value] = {
        "device.fips.capable": _words(values, _FIPS_CAPABLE, _FIPS),
        "device.fips.approved": _words(values, _FIPS_APPROVED, _FIPS),
        "device.pin_complexity": _flag(values, _PIN_COMPLEXITY),
        "device.nfc.restricted": _flag(values, _NFC_RESTRICTED),
        "device.reset_blocked": _words(values, _RESET_BLOCKED, _CAPABILITIES),
    }
    part = values.get(_PART, b"")
    if _PART_NUMBER.fullmatch(part):
        facts["device.part_number"] = part.decode("ascii")
    for tag, name in ((_FPS, "device.fps_version"), (_STM, "device.stm_version")):
        if any(values.get(tag, b"")):
            facts[name] = _dotted(_version(values, tag))
    return facts


def _preview(qualifier: Mapping[int, bytes]) -> dict[str, Value]:
    stage = _STAGES.get(_number(qualifier.get(0x02, b"")), "unknown")
    if stage == "final":
        return {}
    # A preview has the version that it will become.
    return {
        "device.firmware_stage": stage,
        "device.firmware": _dotted(_version(qualifier, 0x01)),
    }


def _version(values: Mapping[int, bytes], tag: int) -> Version:
    octets = values.get(tag, b"")
    if len(octets) != 3:  # noqa: PLR2004 - major, minor, patch
        raise GarbageError("a version that is none")
    return octets[0], octets[1], octets[2]


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))


def _number(octets: bytes) -> int:
    return int.from_bytes(octets[:4], "big")


def _flag(values: Mapping[int, bytes], tag: int) -> bool:
    return values.get(tag) == b"\x01"


def _words(values: Mapping[int, bytes], tag: int, names: Mapping[int, str]) -> tuple[str, ...]:
    bits = _number(values.get(tag, b""))
    found = (
        names.get(1 << bit, f"bit{bit}")
        for bit in range(bits.bit_length())
        if bits & 1 << bit and (1 << bit in names or bit not in _NO_APPLICATIONS)
    )
    return tuple(sorted(found))
