"""What an answer to a report means for it. Pure; the table is that of docs/agent.md."""

from enum import Enum, auto

from agent.http_client import HttpAnswer

_OK, _REDIRECTS, _NO = 200, 300, 400
_NEVER = (400, 413, 415, 422)
_NOT_ENROLLED = (401, 403, 410)
_TAKEN = 409
_HOUR_S = 3600.0


class Outcome(Enum):
    """What to do with the report that was sent."""

    DELIVERED = auto()  # the server has it
    REFUSED = auto()  # it will never be taken: given up, and counted
    NOT_ENROLLED = auto()  # the server does not know this host any more: kept, asked again
    CLONED = auto()  # somebody else uses this host's identity: kept, asked again
    LATER = auto()  # kept, with back-off


def outcome_of(answer: HttpAnswer) -> Outcome:
    """Return what an answer means."""
    if _OK <= answer.status < _REDIRECTS:
        return Outcome.DELIVERED
    # A code as well: a proxy, or a server that is none of ours, refuses nothing in its name.
    if answer.status in _NEVER and answer.code:
        return Outcome.REFUSED
    if answer.status in _NOT_ENROLLED and answer.code:
        return Outcome.NOT_ENROLLED
    if answer.status == _TAKEN and answer.code == "sequence-taken":
        return Outcome.CLONED
    return Outcome.LATER


def wait_of(answer: HttpAnswer, backoff_s: float) -> float:
    """Return the seconds to wait: what the server asks for, within an hour, or the back-off."""
    if answer.retry_after_s is None:
        return backoff_s
    return max(backoff_s, min(answer.retry_after_s, _HOUR_S))
