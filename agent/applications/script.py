"""What scripts have in common."""

from collections.abc import Callable, Generator
from typing import NamedTuple, TypeAlias

from agent.apdu import (
    NOT_FOUND,
    REFERENCE_NOT_FOUND,
    UNKNOWN_CLASS,
    UNKNOWN_INSTRUCTION,
    WRONG_PARAMETERS,
    Answer,
)
from agent.findings import Findings, GarbageError, Reason

Script: TypeAlias = Generator[bytes, Answer, None]
"""Yields commands, is sent their answers. Raises GarbageError."""

Version: TypeAlias = tuple[int, int, int]

_VERSION_OCTETS = 3


class Application(NamedTuple):
    """An application of a key.

    group: what its facts' names begin with; name: for SELECT; capability: what management calls
    it in lists of what is enabled, None = it is always there; script: given the answer to SELECT.
    """

    group: str
    name: bytes
    capability: str | None
    script: Callable[[Answer, Findings], Script]


def version_of(octets: bytes) -> Version:
    """Read a version of three numbers. GarbageError."""
    if len(octets) < _VERSION_OCTETS:
        raise GarbageError("a version that is cut short")
    return octets[0], octets[1], octets[2]


def dotted(version: Version) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, version))


def reason_of(answer: Answer) -> Reason:
    """Return what an answer other than OK says about the fact that was asked for."""
    if answer.status in (UNKNOWN_INSTRUCTION, UNKNOWN_CLASS, *WRONG_PARAMETERS):
        return Reason.UNSUPPORTED
    if answer.status in (NOT_FOUND, REFERENCE_NOT_FOUND):
        return Reason.ABSENT
    return Reason.REFUSED
