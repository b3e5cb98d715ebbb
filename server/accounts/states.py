"""A client as the journal tells of it: what an operator can change, and nothing secret."""

from server.accounts.limits import LimitFigures
from server.accounts.ports import ClientDetails, LimitOverride
from server.journal.acts import State, Subject
from server.journal.moments import format_moment

KIND = "client"
_LARGEST = 2**53 - 1
"""What every reader of JSON can count to; more sessions at once than that is no limit."""


def client_subject(client_id: int) -> Subject:
    """Return a client as the subject of an act."""
    return Subject(KIND, str(client_id))


def client_state(details: ClientDetails) -> State:
    """Return a client's state. Of its API keys only the numbers: details hold no more."""
    return {
        "name": details.name,
        "active": details.active,
        "version": details.version,
        "signed_only": details.signed_only,
        "phishing_test": details.phishing_test,
        "limit": None if details.limit is None else _limit_state(details.limit),
        "api_keys": [key.key_id for key in details.api_keys],
    }


def _limit_state(limit: LimitOverride) -> State:
    rate, burst, per_day = LimitFigures.of(limit.policy)
    return {
        "rate": rate,
        "burst": burst if burst <= _LARGEST else None,
        "per_day": per_day,
        "shadow": limit.shadow,
        "reason": limit.reason,
        "expires": None if limit.expires_us is None else format_moment(limit.expires_us),
    }
