"""PIV: default PINs, tries left, the keys in the slots and the certificates beside them."""

from collections.abc import Generator, Iterable, Mapping

from agent.apdu import BLOCKED, NOT_FOUND, OK, PIV, REFERENCE_NOT_FOUND, Answer
from agent.applications.script import Application, Script, dotted, reason_of, version_of
from agent.findings import Findings, GarbageError, Reason
from agent.tlv import parse_mapping
from agent.whitelist import (
    FINGERPRINTS,
    MANAGEMENT_KEY,
    PIN,
    PIV_CERTIFICATES,
    PUK,
    piv_certificate,
    piv_metadata,
    piv_pin_tries,
    piv_version,
)

_TELLS_METADATA = (5, 3, 0)
_MAIN_SLOTS = (0x9A, 0x9C, 0x9D, 0x9E)

_ALGORITHM, _POLICY, _ORIGIN, _DEFAULT, _TRIES, _CONFIGURED = 0x01, 0x02, 0x03, 0x05, 0x06, 0x07
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
_TDES = 0x03
_MANAGEMENT_ALGORITHMS = {_TDES: "tdes", 0x08: "aes128", 0x0A: "aes192", 0x0C: "aes256"}
_PIN_POLICIES = {
    0: "default",
    1: "never",
    2: "once",
    3: "always",
    4: "match-once",
    5: "match-always",
}
_TOUCH_POLICIES = {0: "default", 1: "never", 2: "always", 3: "cached"}
_ORIGINS = {1: "generated", 2: "imported"}


def script(_selected: Answer, findings: Findings) -> Script:
    """Ask for all that firmware tells without a PIN."""
    answer = yield piv_version()
    if not answer.ok:
        findings.miss("piv", reason_of(answer))
        return
    version = version_of(answer.data)
    findings.know("piv.version", dotted(version))
    if version >= _TELLS_METADATA:
        yield from _references(findings)
        slots = yield from _slots(findings)
        yield from _certificates(sorted({*_MAIN_SLOTS, *slots}), findings)
    else:
        for name in ("pin.default", "puk", "management_key", "slot"):
            findings.miss(f"piv.{name}", Reason.UNSUPPORTED)
        answer = yield piv_pin_tries()
        tries = tries_of(answer.status)
        if tries is None:
            findings.miss("piv.pin.tries", reason_of(answer))
        else:
            findings.know("piv.pin.tries", tries)
        yield from _certificates(PIV_CERTIFICATES, findings)


def tries_of(status: int) -> int | None:
    """Return the tries left that an empty VERIFY tells. None: it does not."""
    if status == BLOCKED:
        return 0
    if status & 0xFFF0 == 0x63C0:  # noqa: PLR2004 - ISO 7816-4: a counter in the last digit
        return status & 0x0F
    # Firmware before 1.0.4 has the counter in the whole octet (yubikit).
    return status & 0xFF if status & 0xFF00 == 0x6300 else None  # noqa: PLR2004


def _references(findings: Findings) -> Script:
    for reference, name in ((PIN, "pin"), (PUK, "puk")):
        answer = yield piv_metadata(reference)
        if not answer.ok:
            findings.miss(f"piv.{name}", reason_of(answer))
            continue
        values = parse_mapping(answer.data)
        findings.know(f"piv.{name}.default", _octets(values, _DEFAULT, 1)[0] != 0)
        total, left = _octets(values, _TRIES, 2)[:2]
        findings.know(f"piv.{name}.tries", left)
        findings.know(f"piv.{name}.tries_total", total)
    answer = yield piv_metadata(MANAGEMENT_KEY)
    if answer.ok:
        values = parse_mapping(answer.data)
        name = "piv.management_key"
        findings.know(f"{name}.default", _octets(values, _DEFAULT, 1)[0] != 0)
        # Before keys of AES there was nothing to tell apart, and no algorithm is told.
        kind = _octets(values, _ALGORITHM, 1)[0] if _ALGORITHM in values else _TDES
        findings.know(f"{name}.algorithm", _MANAGEMENT_ALGORITHMS.get(kind, "unknown"))
        policy = _octets(values, _POLICY, 2)[1]
        findings.know(f"{name}.touch_policy", _TOUCH_POLICIES.get(policy, "unknown"))
    else:
        findings.miss("piv.management_key", reason_of(answer))
    if str(findings.facts.get("device.form_factor", "")).endswith("-bio"):
        yield from _fingerprints(findings)


def _fingerprints(findings: Findings) -> Script:
    answer = yield piv_metadata(FINGERPRINTS)
    if answer.ok:
        values = parse_mapping(answer.data)
        findings.know("piv.bio.configured", values.get(_CONFIGURED) == b"\x01")
        findings.know("piv.bio.tries", _octets(values, _TRIES, 1)[0])
    else:
        findings.miss("piv.bio", reason_of(answer))


def _slots(findings: Findings) -> Generator[bytes, Answer, list[int]]:
    used = []
    for slot in PIV_CERTIFICATES:
        name = f"piv.slot.{slot:02x}"
        answer = yield piv_metadata(slot)
        if answer.status in (REFERENCE_NOT_FOUND, NOT_FOUND):
            continue
        if not answer.ok:
            findings.miss(name, reason_of(answer))
            continue
        values = parse_mapping(answer.data)
        kind, origin = _octets(values, _ALGORITHM, 1)[0], _octets(values, _ORIGIN, 1)[0]
        pin, touch = _octets(values, _POLICY, 2)[:2]
        findings.know(f"{name}.algorithm", _ALGORITHMS.get(kind, "unknown"))
        findings.know(f"{name}.origin", _ORIGINS.get(origin, "unknown"))
        findings.know(f"{name}.pin_policy", _PIN_POLICIES.get(pin, "unknown"))
        findings.know(f"{name}.touch_policy", _TOUCH_POLICIES.get(touch, "unknown"))
        used.append(slot)
    return used


def _certificates(slots: Iterable[int], findings: Findings) -> Script:
    for slot in slots:
        name = f"piv.certificate.{slot:02x}"
        answer = yield piv_certificate(slot)
        if answer.status == OK:
            # What reads certificates costs 3 MiB and half the start: only where there is one.
            from agent.applications.certificate import read_object  # noqa: PLC0415

            # One object that is no certificate says nothing about the others.
            try:
                read_object(name, answer.data, findings)
            except GarbageError:
                findings.miss(name, Reason.GARBAGE)
        elif answer.status != NOT_FOUND:
            findings.miss(name, reason_of(answer))


def _octets(values: Mapping[int, bytes], tag: int, least: int) -> bytes:
    found = values.get(tag, b"")
    if len(found) < least:
        raise GarbageError("metadata that is cut short")
    return found


APPLICATION = Application("piv", PIV, "piv", script)
