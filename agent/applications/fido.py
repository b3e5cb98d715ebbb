"""FIDO: getInfo, and the tries left for PIN and fingerprints (CTAP 2.1, 6.4 and 6.5.5).

The same messages whether they go to a card (NFC) or a FIDO device (USB).
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from agent.apdu import FIDO, Answer
from agent.applications.script import Application, Script, reason_of
from agent.findings import Findings, GarbageError, Reason
from agent.whitelist import CTAP_GET_INFO, CTAP_PIN_TRIES, CTAP_UV_TRIES, ctap

_VERSIONS, _AAGUID, _OPTIONS, _PROTOCOLS, _FORCE, _MIN_PIN = 0x01, 0x03, 0x04, 0x06, 0x0C, 0x0D
_FIRMWARE, _REMAINING, _COMPLEXITY = 0x0E, 0x14, 0x1B
_PIN_TRIES, _POWER_CYCLE, _UV_TRIES = 0x03, 0x04, 0x05
_MAX_NUMBER = 2**32 - 1
_UUID_OCTETS = 16
_MAX_VERSIONS = 16


def script(_selected: Answer, findings: Findings) -> Script:
    """Ask over the card's interface."""
    answer = yield ctap(CTAP_GET_INFO)
    if not answer.ok:
        # A key of U2F alone knows the application, but not this message.
        findings.miss("fido", reason_of(answer))
        return
    if not read_info(answer.data, findings):
        return
    for message in questions_after(findings):
        answer = yield ctap(message)
        if answer.ok:
            read_tries(answer.data, message, findings)
        else:
            findings.miss(_fact_of(message), reason_of(answer))


def questions_after(findings: Findings) -> list[bytes]:
    """Return what else can be asked, now that getInfo has been read."""
    questions = []
    if findings.facts.get("fido.pin_set") is True:
        questions.append(CTAP_PIN_TRIES)
    if "fido.uv_set" in findings.facts:
        questions.append(CTAP_UV_TRIES)
    return questions


def read_info(data: bytes, findings: Findings) -> bool:
    """Note what getInfo tells. False: the key refused. GarbageError."""
    values = _answer(data)
    if values is None:
        findings.miss("fido", Reason.REFUSED)
        return False
    options = values.get(_OPTIONS, {})
    aaguid = values.get(_AAGUID)
    versions = values.get(_VERSIONS)
    if (
        not isinstance(options, Mapping)
        or not isinstance(aaguid, bytes)
        or len(aaguid) != _UUID_OCTETS
        or not isinstance(versions, list | tuple)
        or len(versions) > _MAX_VERSIONS
    ):
        raise GarbageError("an answer to getInfo that lacks what all have")
    findings.know("fido.aaguid", str(UUID(bytes=aaguid)))
    findings.know("fido.versions", tuple(sorted({_word(one) for one in versions})))
    if isinstance(options.get("clientPin"), bool):
        findings.know("fido.pin_set", options["clientPin"])
    else:
        findings.miss("fido.pin_set", Reason.UNSUPPORTED)
    if isinstance(options.get("uv"), bool):
        findings.know("fido.uv_set", options["uv"])
    findings.know("fido.always_uv", options.get("alwaysUv") is True)
    protocols = values.get(_PROTOCOLS, ())
    if isinstance(protocols, list | tuple):
        numbers = {str(one) for one in protocols[:_MAX_VERSIONS] if isinstance(one, int)}
        findings.know("fido.pin_protocols", tuple(sorted(numbers)))
    findings.know("fido.force_pin_change", values.get(_FORCE) is True)
    if isinstance(values.get(_COMPLEXITY), bool):
        findings.know("fido.pin_complexity", values[_COMPLEXITY])
    for tag, name in (
        (_MIN_PIN, "min_pin_length"),
        (_FIRMWARE, "firmware"),
        (_REMAINING, "remaining_credentials"),
    ):
        if tag in values:
            findings.know(f"fido.{name}", _number(values[tag]))
        else:
            findings.miss(f"fido.{name}", Reason.UNSUPPORTED)
    return True


def read_tries(data: bytes, message: bytes, findings: Findings) -> None:
    """Note the tries left that one of the two questions was answered with. GarbageError."""
    values = _answer(data)
    tag = _PIN_TRIES if message == CTAP_PIN_TRIES else _UV_TRIES
    if values is None or tag not in values:
        findings.miss(_fact_of(message), Reason.REFUSED)
        return
    findings.know(_fact_of(message), _number(values[tag]))
    if message == CTAP_PIN_TRIES and isinstance(values.get(_POWER_CYCLE), bool):
        # Three wrong PINs in a row: nothing more until the key is plugged in anew.
        findings.know("fido.pin_soft_blocked", values[_POWER_CYCLE])


def _fact_of(message: bytes) -> str:
    return "fido.pin_tries" if message == CTAP_PIN_TRIES else "fido.uv_tries"


def _answer(data: bytes) -> Mapping[Any, Any] | None:
    """Return what a CTAP2 answer holds; None for one whose first octet says no."""
    if not data:
        raise GarbageError("an answer without a status")
    if data[0] != 0:
        return None
    # Loaded for the first answer: over USB it is a FIDO device's, where there is one.
    from fido2 import cbor  # noqa: PLC0415

    try:
        values, rest = cbor.decode_from(data[1:])
    # It decodes what authenticators send, and raises whatever comes up with what none would.
    except Exception:  # noqa: BLE001
        raise GarbageError("not CBOR") from None
    if rest or not isinstance(values, Mapping):
        raise GarbageError("not one CBOR map")
    return values


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_NUMBER:
        raise GarbageError("a number out of range")
    return value


def _word(value: object) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise GarbageError("a version that is no word")
    return value[:40]


APPLICATION = Application("fido", FIDO, "fido2", script)
