"""The report: what an agent says about the keys of a host. Pure, and versioned.

With `agent.proof_wire` all that the server may import, so it knows the standard library alone.
docs/agent.md describes the wire around it; tests/agent/golden holds a file of every version.

A report speaks about the keys that it names and says nothing about others: a host with many keys
sends several. Each key has facts (a name, a value) and what could not be read (a name or a group
of names, a reason). A fact that is in neither was not asked for: organisations choose what is.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

FORMAT = 1
MAX_REPORT_OCTETS = 64 * 1024
MAX_KEYS = 8
"""Keys in one report; a host with more sends more reports."""

REPORT_CONTEXT = b"keystead-agent-report-v1\x00"
ENROLMENT_CONTEXT = b"keystead-agent-enrolment-v1\x00"
CLAIM_CONTEXT = b"keystead-agent-claim-v1\x00"
"""What a host's signature begins with: one made for a report is none for anything else."""

HOST_HEADER = "Keystead-Host"
SIGNATURE_HEADER = "Keystead-Signature"

Value: TypeAlias = bool | int | str | tuple[str, ...]
"""A fact's value. A tuple is a sorted list of words."""

MAX_FACTS = 400
MAX_SOFTWARE = 64
"""Programs in one report: those that have to do with keys are some twenty."""
MAX_SEQUENCE = 2**53 - 1
MAX_SERIAL = 2**32 - 1
_MAX_TEXT = 128
_MAX_WORDS = 32
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9][a-z0-9_]*){0,5}")
_REASON = re.compile(r"[a-z][a-z0-9-]{0,39}")
_ID = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PACKAGE = re.compile(r"[a-z][a-z0-9-]{0,39}")
# Of Unicode's: letters, marks, figures, signs and blanks; no control characters, no surrogates.
_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]*")


class MalformedReportError(ValueError):
    """Not a report; the message says what is wrong with it, without quoting values."""


class UnknownFormatError(MalformedReportError):
    """A report of a format that this code does not know: an agent newer than the server."""


class Identity(NamedTuple):
    """Which key it is: exactly one of these is there.

    serial: the number on the key, where the organisation wants it. serial_hash: `serial_hash`
    with the organisation's key, 64 hexadecimal digits. kind: for a key that tells no serial, a
    digest of this host and what kind of key it is; two equal ones at a host have the same.
    """

    serial: int | None = None
    serial_hash: str | None = None
    kind: str | None = None


class KeyReport(NamedTuple):
    """A key as a host saw it.

    last_seen: the day (UTC) it was attached last; attached: whether it is now, None where the
    organisation does not ask; facts: by name; unreadable: reasons, by a fact's name or the
    beginning of several ("piv" stands for every fact below it).
    """

    identity: Identity
    last_seen: date
    attached: bool | None
    facts: Mapping[str, Value]
    unreadable: Mapping[str, str]

    def why_unreadable(self, fact: str) -> str | None:
        """Return why a fact is not there, by its own name or a group's. None: nothing is said."""
        parts = fact.split(".")
        names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        return next((self.unreadable[name] for name in names if name in self.unreadable), None)


class Report(NamedTuple):
    """What a host says at once.

    report_id: random, 32 hexadecimal digits, by which it is accepted once; host: likewise, of
    the host's enrolment; sequence: counts a host's reports from 1; day: when it was made, by the
    host's clock (UTC); agent: version; system: "linux", "macos" or "windows"; release: of the
    system, for people; software: versions of programs that have to do with keys, by package;
    dropped: reports that the agent had to give up since its enrolment, because its outbox was
    full; they have used sequence numbers.
    """

    report_id: str
    host: str
    sequence: int
    day: date
    agent: str
    system: str
    release: str
    software: Mapping[str, str]
    dropped: int
    keys: Sequence[KeyReport]


def serial_hash(organisation_key: bytes, serial: int) -> str:
    """Return what stands for a serial number: HMAC-SHA-256 over it as text. Not reversible
    without the organisation's key; with it a serial is found by trying all of them.
    """  # noqa: D205 - one thought
    message = b"keystead-serial-v1\x00" + str(serial).encode()
    return hmac.new(organisation_key, message, hashlib.sha256).hexdigest()


def signature_input(context: bytes, body: bytes) -> bytes:
    """Return what the host's Ed25519 key signs: a context and the body as it is sent."""
    return context + body


def encode(report: Report) -> bytes:
    """Return a report as it is sent: JSON, names sorted, no blanks, ASCII."""
    return json.dumps(as_json(report), sort_keys=True, separators=(",", ":")).encode()


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as a JSON object."""
    return {
        "format": FORMAT,
        "id": report.report_id,
        "host": report.host,
        "sequence": report.sequence,
        "day": report.day.isoformat(),
        "agent": report.agent,
        "system": report.system,
        "release": report.release,
        "software": dict(report.software),
        "dropped": report.dropped,
        "keys": [_key_as_json(key) for key in report.keys],
    }


def parse(body: bytes) -> Report:
    """Read a report. MalformedReportError; UnknownFormatError for one of another format.

    Facts that this code does not know are carried: an agent may be newer than its server. Other
    members that it does not know are refused, for they would be lost.
    """
    if len(body) > MAX_REPORT_OCTETS:
        raise MalformedReportError(f"longer than {MAX_REPORT_OCTETS:,} octets")
    try:
        found = json.loads(body, object_pairs_hook=_pairs, parse_constant=_refuse)
    except MalformedReportError:
        raise
    except (ValueError, RecursionError):
        raise MalformedReportError("not JSON text") from None
    if not isinstance(found, dict):
        raise MalformedReportError("not a JSON object")
    version = found.get("format")
    if type(version) is not int:
        raise MalformedReportError("format: not a number")
    if version != FORMAT:
        raise UnknownFormatError(f"format {version}, and only {FORMAT} is known here")
    members = _Members(found, "")
    report = Report(
        members.matching("id", _ID),
        members.matching("host", _ID),
        members.number("sequence", 1, MAX_SEQUENCE),
        members.day("day"),
        members.text("agent"),
        members.text("system"),
        members.text("release"),
        _software(members.mapping("software")),
        members.number("dropped", 0, MAX_SEQUENCE),
        tuple(_key(one, index) for index, one in enumerate(members.list_of("keys", MAX_KEYS))),
    )
    members.close({"format"})
    return report


def _key_as_json(key: KeyReport) -> dict[str, Any]:
    known = {name: value for name, value in key.identity._asdict().items() if value is not None}
    attached = {} if key.attached is None else {"attached": key.attached}
    facts = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in key.facts.items()
    }
    return {
        **known,
        **attached,
        "last_seen": key.last_seen.isoformat(),
        "facts": facts,
        "unreadable": dict(key.unreadable),
    }


def _key(found: object, index: int) -> KeyReport:
    where = f"keys[{index}]."
    if not isinstance(found, dict):
        raise MalformedReportError(f"{where[:-1]}: not an object")
    members = _Members(found, where)
    names = [name for name in Identity._fields if name in found]
    if len(names) != 1:
        raise MalformedReportError(f"{where[:-1]}: not exactly one of serial, serial_hash, kind")
    key = KeyReport(
        Identity(
            members.number("serial", 1, MAX_SERIAL) if "serial" in found else None,
            members.matching("serial_hash", _DIGEST) if "serial_hash" in found else None,
            members.matching("kind", _DIGEST) if "kind" in found else None,
        ),
        members.day("last_seen"),
        members.flag("attached") if "attached" in found else None,
        _facts(members.mapping("facts"), where),
        _reasons(members.mapping("unreadable"), where),
    )
    members.close(set())
    return key


def _facts(found: Mapping[str, Any], where: str) -> dict[str, Value]:
    if len(found) > MAX_FACTS:
        raise MalformedReportError(f"{where}facts: more than {MAX_FACTS}")
    return {_name(name, where): _value(value, where) for name, value in found.items()}


@lru_cache(maxsize=2048)
def _is_name(name: str) -> bool:
    return len(name) <= _MAX_TEXT and _NAME.fullmatch(name) is not None


def _name(name: str, where: str) -> str:
    if not _is_name(name):
        raise MalformedReportError(f"{where[:-1]}: something that is no fact's name")
    return name


def _value(value: object, where: str) -> Value:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= MAX_SEQUENCE:
        return value
    if isinstance(value, str) and _is_text(value):
        return value
    if isinstance(value, list) and len(value) <= _MAX_WORDS:
        words = tuple(word for word in value if isinstance(word, str) and _is_text(word))
        if len(words) == len(value) and list(words) == sorted(set(words)):
            return words
    raise MalformedReportError(
        f"{where}facts: a value that is no truth value, whole number, text or sorted list of words"
    )


def _reasons(found: Mapping[str, Any], where: str) -> dict[str, str]:
    if len(found) > MAX_FACTS:
        raise MalformedReportError(f"{where}unreadable: more than {MAX_FACTS}")
    for reason in found.values():
        if not isinstance(reason, str) or _REASON.fullmatch(reason) is None:
            raise MalformedReportError(f"{where}unreadable: a reason that is no word")
    return {_name(name, where): reason for name, reason in found.items()}


def _software(found: Mapping[str, Any]) -> dict[str, str]:
    if len(found) > MAX_SOFTWARE:
        raise MalformedReportError(f"software: more than {MAX_SOFTWARE}")
    for package, version in found.items():
        known = _PACKAGE.fullmatch(package) is not None
        if not (known and isinstance(version, str) and _is_text(version)):
            raise MalformedReportError("software: something that is no package and its version")
    return dict(found)


@lru_cache(maxsize=2048)
def _is_text(value: str) -> bool:
    return len(value) <= _MAX_TEXT and _TEXT.fullmatch(value) is not None


def _pairs(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise MalformedReportError("a name stands twice in one object")
    return value


def _refuse(_constant: str) -> None:
    raise MalformedReportError("a number that JSON does not have")


class _Members:
    """The members of an object, taken by name and kind; what is left over is refused."""

    def __init__(self, found: Mapping[str, Any], where: str) -> None:
        self._found = found
        self._where = where
        self._taken: set[str] = set()

    def _take(self, name: str) -> object:
        self._taken.add(name)
        return self._found.get(name)

    def _wrong(self, name: str, what: str) -> MalformedReportError:
        return MalformedReportError(f"{self._where}{name}: {what}")

    def number(self, name: str, least: int, most: int) -> int:
        value = self._take(name)
        if type(value) is not int or not least <= value <= most:
            raise self._wrong(name, f"not a whole number from {least} to {most}")
        return value

    def matching(self, name: str, pattern: re.Pattern[str]) -> str:
        value = self._take(name)
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise self._wrong(name, f"not of the form {pattern.pattern}")
        return value

    def text(self, name: str) -> str:
        value = self._take(name)
        if not isinstance(value, str) or not _is_text(value):
            raise self._wrong(name, f"not a text of at most {_MAX_TEXT} characters")
        return value

    def flag(self, name: str) -> bool:
        value = self._take(name)
        if not isinstance(value, bool):
            raise self._wrong(name, "not a truth value")
        return value

    def day(self, name: str) -> date:
        value = self._take(name)
        try:
            found = date.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            found = None
        if found is None or found.isoformat() != value:
            raise self._wrong(name, "not a day like 2026-11-27")
        return found

    def mapping(self, name: str) -> dict[str, Any]:
        value = self._take(name)
        if not isinstance(value, dict):
            raise self._wrong(name, "not an object")
        return value

    def list_of(self, name: str, most: int) -> list[object]:
        value = self._take(name)
        if not isinstance(value, list) or len(value) > most:
            raise self._wrong(name, f"not a list of at most {most}")
        return value

    def close(self, besides: set[str]) -> None:
        if set(self._found) - self._taken - besides:
            raise MalformedReportError(f"{self._where or 'report '}a member that is not known")
