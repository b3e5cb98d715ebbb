"""What a relaying host says, step by step, and what it is told (docs/agent.md)."""

import base64
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from agent.report import MAX_SERIAL, Identity
from server.fleet.channel.card import CardAnswer, GarbageError
from server.fleet.channel.dialogue import Ask
from server.fleet.trust import Trust
from server.journal.canonical import MalformedError, exactly, member

MAX_ANSWERS = 16
MAX_ANSWER_OCTETS = 4096
"""Of a key's: certificates are the longest, some 1,500."""

_MEMBERS = frozenset({"format", "host", "id", "channel", "step", "key", "answers"})
_ID = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MAX_STEP = 100


class Told(NamedTuple):
    """One step. channel: None to begin; step: of the commands that are answered, 0 to begin."""

    channel: str | None
    step: int
    key: Identity
    answers: tuple[CardAnswer, ...]


def read_step(asked: dict[str, Any]) -> Told:
    """Read a step of which format and host are known. MalformedError."""
    exactly(asked, _MEMBERS)
    member(asked, "id", str)  # the host's own randomness: an answer to it is no old one
    channel = asked["channel"]
    if channel is not None and (not isinstance(channel, str) or _ID.fullmatch(channel) is None):
        raise MalformedError('"channel" is not null and not 32 hexadecimal digits')
    step: int = member(asked, "step", int)
    if not 0 <= step <= _MAX_STEP or (step == 0) is not (channel is None):
        raise MalformedError('"step" does not fit: 0 begins a channel, and counts from there')
    answers: list[object] = member(asked, "answers", list)
    if len(answers) > MAX_ANSWERS:
        raise MalformedError(f'"answers" has more than {MAX_ANSWERS}')
    key: dict[str, object] = member(asked, "key", dict)
    return Told(channel, step, _identity(key), tuple(map(_answer, answers)))


def asked_for(channel: str, step: int, ask: Ask) -> Mapping[str, Any]:
    """Return what a host is told to say to the key. last: then it may let the key go."""
    commands = [base64.b64encode(one).decode() for one in ask.commands]
    return {"channel": channel, "step": step, "commands": commands, "last": ask.last}


def done(channel: str, trust: Trust) -> Mapping[str, Any]:
    """Return that the channel is over, and what the facts are worth."""
    return {"channel": channel, "done": True, "trust": trust.word}


def _identity(found: dict[str, object]) -> Identity:
    if found.keys() == {"serial"}:
        serial: int = member(found, "serial", int)
        if not 0 < serial <= MAX_SERIAL:
            raise MalformedError('"serial" is none')
        return Identity(serial=serial)
    exactly(found, frozenset({"serial_hash"}))
    digest: str = member(found, "serial_hash", str)
    if _DIGEST.fullmatch(digest) is None:
        raise MalformedError('"serial_hash" is not 64 hexadecimal digits')
    return Identity(serial_hash=digest)


def _answer(found: object) -> CardAnswer:
    try:
        octets = base64.b64decode(found, validate=True) if isinstance(found, str) else b""
    except ValueError:
        octets = b""
    if len(octets) > MAX_ANSWER_OCTETS:
        raise MalformedError(f"an answer is longer than {MAX_ANSWER_OCTETS:,} octets")
    try:
        return CardAnswer.parse(octets)
    except GarbageError:
        raise MalformedError('"answers" has something that is no answer of a card') from None
