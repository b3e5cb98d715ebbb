"""Management: what a key is, and which applications it has (READ CONFIG, from firmware 4.1).

Numbers and names as in Yubico's yubikit/management.py (BSD).
"""

import re
from collections.abc import Iterator, Mapping

from agent.apdu import MANAGEMENT, Answer
from agent.applications.script import Application, Script, dotted, reason_of, version_of
from agent.findings import Findings, GarbageError, Reason
from agent.tlv import parse_mapping
from agent.whitelist import MAX_PAGES, read_config

_CAPABILITIES = {
    0x001: "otp",
    0x002: "u2f",
    0x008: "openpgp",
    0x010: "piv",
    0x020: "oath",
    0x100: "hsmauth",
    0x200: "fido2",
}
_FIPS_CAPABILITIES = {0x01: "fido2", 0x02: "piv", 0x04: "openpgp", 0x08: "oath", 0x10: "hsmauth"}
_FORM_FACTORS = {
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

_USB_SUPPORTED, _SERIAL, _USB_ENABLED, _FORM_FACTOR, _VERSION = 0x01, 0x02, 0x03, 0x04, 0x05
_FLAGS_TAG, _LOCK, _NFC_SUPPORTED, _NFC_ENABLED, _MORE = 0x08, 0x0A, 0x0D, 0x0E, 0x10
_PART, _FIPS_CAPABLE, _FIPS_APPROVED, _PIN_COMPLEXITY = 0x13, 0x14, 0x15, 0x16
_NFC_RESTRICTED, _RESET_BLOCKED, _QUALIFIER, _FPS, _STM = 0x17, 0x18, 0x19, 0x20, 0x21

_FIPS_SERIES, _SECURITY_KEY_SERIES = 0x80, 0x40
# Firmware 4.2.4 misstates what it has; 4.x misstates what is enabled (yubikit).
_WRONG_4_2_4 = (4, 2, 4)
_ALL_OF_4 = 0x3F
_FROM_5 = (5, 0, 0)
_FROM_5_7 = (5, 7, 0)
_PART_NUMBER = re.compile(r"[\x20-\x7e]{1,40}")
_GREETING = re.compile(rb"(\d{1,3})\.(\d{1,3})\.(\d{1,3})")


def script(selected: Answer, findings: Findings) -> Script:
    """Ask for every page of the configuration."""
    greeting = _GREETING.search(selected.data)
    if greeting is not None:
        # Overruled by what the configuration says; firmware before 4.1 has none.
        findings.know("device.firmware", b".".join(greeting.groups()).decode())
    pages: list[bytes] = []
    for page in range(MAX_PAGES):
        answer = yield read_config(page)
        if not answer.ok:
            if page == 0:
                findings.miss("device", reason_of(answer))
                return
            break
        pages.append(answer.data)
        if not has_more(answer.data):
            break
    read_pages(pages, findings)


def read_pages(pages: list[bytes], findings: Findings) -> None:
    """Note what the configuration says. GarbageError."""
    values: dict[int, bytes] = {}
    for page in pages:
        values.update(_page(page))
    version = version_of(values[_VERSION]) if _VERSION in values else None
    if version is not None:
        findings.know("device.firmware", dotted(version))
    findings.serial = _number(values.get(_SERIAL, b"")) or None
    form = _number(values.get(_FORM_FACTOR, b""))
    findings.know("device.form_factor", _FORM_FACTORS.get(form & 0x0F, "unknown"))
    findings.know("device.fips_series", bool(form & _FIPS_SERIES))
    findings.know("device.security_key_series", bool(form & _SECURITY_KEY_SERIES))
    findings.know("device.config_locked", _flag(values.get(_LOCK)))
    findings.know("device.flags", _words(values.get(_FLAGS_TAG, b""), _FLAGS))
    if _USB_SUPPORTED in values:
        usb = _ALL_OF_4.to_bytes(1, "big") if version == _WRONG_4_2_4 else values[_USB_SUPPORTED]
        findings.know("device.usb.supported", _words(usb, _CAPABILITIES))
    if _USB_ENABLED in values and (version is None or version >= _FROM_5):
        findings.know("device.usb.enabled", _words(values[_USB_ENABLED], _CAPABILITIES))
    else:
        findings.miss("device.usb.enabled", Reason.UNSUPPORTED)
    if _NFC_SUPPORTED in values:
        findings.know("device.nfc.supported", _words(values[_NFC_SUPPORTED], _CAPABILITIES))
        findings.know("device.nfc.enabled", _words(values.get(_NFC_ENABLED, b""), _CAPABILITIES))
    _read_newer(values, findings, told=version is not None and version >= _FROM_5_7)


def _read_newer(values: Mapping[int, bytes], findings: Findings, *, told: bool) -> None:
    """Note what firmware tells from 5.7 on; there a missing tag means no."""
    if not told:
        findings.miss("device.fips", Reason.UNSUPPORTED)
        findings.miss("device.pin_complexity", Reason.UNSUPPORTED)
        findings.miss("device.reset_blocked", Reason.UNSUPPORTED)
        findings.miss("device.nfc.restricted", Reason.UNSUPPORTED)
        return
    findings.know("device.fips.capable", _words(values.get(_FIPS_CAPABLE, b""), _FIPS_CAPABILITIES))
    findings.know(
        "device.fips.approved", _words(values.get(_FIPS_APPROVED, b""), _FIPS_CAPABILITIES)
    )
    findings.know("device.pin_complexity", _flag(values.get(_PIN_COMPLEXITY)))
    findings.know("device.nfc.restricted", _flag(values.get(_NFC_RESTRICTED)))
    findings.know("device.reset_blocked", _words(values.get(_RESET_BLOCKED, b""), _CAPABILITIES))
    part = values.get(_PART, b"").decode("latin-1")
    if _PART_NUMBER.fullmatch(part):
        findings.know("device.part_number", part)
    for tag, name in ((_FPS, "device.fps_version"), (_STM, "device.stm_version")):
        if any(values.get(tag, b"")):
            findings.know(name, dotted(version_of(values[tag])))
    if values.get(_QUALIFIER):
        qualifier = parse_mapping(values[_QUALIFIER])
        stage = _STAGES.get(_number(qualifier.get(0x02, b"")), "unknown")
        if stage != "final":
            # A preview has the version that it will become; `yubikit` shows that one too.
            findings.know("device.firmware_stage", stage)
            findings.know("device.firmware", dotted(version_of(qualifier.get(0x01, b""))))


def _page(page: bytes) -> Mapping[int, bytes]:
    if not page or page[0] != len(page) - 1:
        raise GarbageError("a configuration that is not as long as it says")
    return parse_mapping(page[1:])


def has_more(page: bytes) -> bool:
    """Return whether another page follows. GarbageError."""
    return _number(_page(page).get(_MORE, b"")) != 0


def _number(octets: bytes) -> int:
    return int.from_bytes(octets[:4], "big")


def _flag(octets: bytes | None) -> bool:
    return octets == b"\x01"


def _words(octets: bytes, names: Mapping[int, str]) -> tuple[str, ...]:
    bits = _number(octets)

    def found() -> Iterator[str]:
        for bit in range(bits.bit_length()):
            if bits & 1 << bit:
                name = names.get(1 << bit)
                # Bits 2 and 10 say that CCID and management are there: no applications.
                if name is not None:
                    yield name
                elif bit not in (2, 10):
                    yield f"bit{bit}"

    return tuple(sorted(found()))


APPLICATION = Application("device", MANAGEMENT, None, script)
