"""OpenPGP: tries left, touch policies, which kinds of keys there are.

By GET DATA alone: a terminated application stays as it is, where yubikit would activate it.
"""

from collections.abc import Mapping

from agent.apdu import OPENPGP, TERMINATED, Answer
from agent.applications.script import Application, Script, Version, dotted, reason_of
from agent.findings import Findings, GarbageError, Reason
from agent.tlv import parse_mapping
from agent.whitelist import openpgp_data, openpgp_version

_ALL, _DISCRETIONARY, _TRIES, _FINGERPRINTS, _ORIGINS = 0x6E, 0x73, 0xC4, 0xC5, 0xDE
_KEYS = {
    "signature": (0xC1, 0xD6, 0x01),
    "decryption": (0xC2, 0xD7, 0x02),
    "authentication": (0xC3, 0xD8, 0x03),
    "attestation": (0xDA, 0xD9, 0x81),
}
"""By use: tags of the algorithm and the touch policy, number among the origins."""

_POLICIES = {0: "off", 1: "on", 2: "fixed", 3: "cached", 4: "cached-fixed"}
_ORIGIN_NAMES = {0: "none", 1: "generated", 2: "imported"}
_KINDS = {0x12: "ecdh", 0x13: "ecdsa", 0x16: "eddsa"}
_RSA = 0x01
_TELLS_TOUCH = (4, 2, 0)
_TELLS_TOUCH_OF_ATTESTATION = (5, 2, 0)
_TRIES_OCTETS = 7
_FINGERPRINT_OCTETS = 20


def script(selected: Answer, findings: Findings) -> Script:
    """Ask for the version, and for all about the keys, or else for the tries alone."""
    findings.know("openpgp.terminated", selected.status == TERMINATED)
    version: Version = (0, 0, 0)
    answer = yield openpgp_version()
    if answer.ok:
        version = _version(answer.data)
        findings.know("openpgp.version", dotted(version))
    else:
        findings.miss("openpgp.version", reason_of(answer))
    answer = yield openpgp_data(_ALL)
    values = _discretionary(answer.data) if answer.ok else {}
    tries = values.get(_TRIES)
    if tries is None:
        answer = yield openpgp_data(_TRIES)
        tries = answer.data if answer.ok else None
    if tries is None:
        findings.miss("openpgp", reason_of(answer))
        return
    _read_tries(tries, findings)
    _read_keys(values, findings)
    for use, (_algorithm, tag, _number) in _KEYS.items():
        known = _TELLS_TOUCH_OF_ATTESTATION if use == "attestation" else _TELLS_TOUCH
        policy = values.get(tag)
        if version < known:
            findings.miss(f"openpgp.touch.{use}", Reason.UNSUPPORTED)
            continue
        if policy is None:
            answer = yield openpgp_data(tag)
            if not answer.ok:
                findings.miss(f"openpgp.touch.{use}", reason_of(answer))
                continue
            policy = answer.data
        if not policy:
            raise GarbageError("a touch policy that is empty")
        findings.know(f"openpgp.touch.{use}", _POLICIES.get(policy[0], "unknown"))


def _version(data: bytes) -> Version:
    if len(data) < 3:  # noqa: PLR2004 - three numbers
        raise GarbageError("a version that is cut short")
    major, minor, patch = (10 * (octet >> 4) + (octet & 0x0F) for octet in data[:3])
    return major, minor, patch


def _discretionary(data: bytes) -> Mapping[int, bytes]:
    outer = parse_mapping(data)
    outer = parse_mapping(outer[_ALL]) if _ALL in outer else outer
    # Firmware of the NEO has these beside the others, not below them.
    return {**outer, **parse_mapping(outer.get(_DISCRETIONARY, b""))}


def _read_tries(status: bytes, findings: Findings) -> None:
    if len(status) < _TRIES_OCTETS:
        raise GarbageError("tries that are cut short")
    for name, tries in zip(("pin", "reset_code", "admin_pin"), status[4:7], strict=True):
        findings.know(f"openpgp.{name}.tries", tries)


def _read_keys(values: Mapping[int, bytes], findings: Findings) -> None:
    origins = values.get(_ORIGINS)
    told = dict(zip(origins[::2], origins[1::2], strict=False)) if origins else {}
    prints = values.get(_FINGERPRINTS, b"")
    for place, (use, (tag, _policy, number)) in enumerate(_KEYS.items()):
        at = place * _FINGERPRINT_OCTETS
        fingerprint = prints[at : at + _FINGERPRINT_OCTETS]
        present = len(fingerprint) == _FINGERPRINT_OCTETS and any(fingerprint)
        if number in told:
            origin = _ORIGIN_NAMES.get(told[number], "unknown")
        elif use == "attestation":
            continue
        else:
            origin = "unknown" if present else "none"
        name = f"openpgp.key.{use}"
        findings.know(f"{name}.origin", origin)
        if origin != "none" and values.get(tag):
            findings.know(f"{name}.algorithm", _algorithm(values[tag]))
        if origin != "none" and present and use != "attestation":
            findings.know(f"{name}.fingerprint", fingerprint.hex())


def _algorithm(attributes: bytes) -> str:
    kind = attributes[0]
    if kind == _RSA and len(attributes) >= 3:  # noqa: PLR2004 - and two octets of length
        return f"rsa{int.from_bytes(attributes[1:3], 'big')}"
    return _KINDS.get(kind, "unknown")


APPLICATION = Application("openpgp", OPENPGP, "openpgp", script)
