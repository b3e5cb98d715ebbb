"""What the door hands in and gets back: a request's source, and the verdict on it."""

from typing import NamedTuple

from validation.gcra import UNLIMITED, Policy, Rate
from validation.status import Status

_SECOND_US = 1_000_000


class Source(NamedTuple):
    """Where a request came from.

    address: textual IP address, already freed of what proxies may forge.
    exempt: no limit per source (loopback, configured proxies' own probes).
    """

    address: str
    exempt: bool


class LimitAdvice(NamedTuple):
    """What a 429 tells the client (draft-ietf-httpapi-ratelimit-headers).

    policy_name: "default" (the Client ID's limit) or "source" (the address's).
    quota: sessions of a full budget; window_s: seconds in which an empty one fills again.
    remaining: sessions left now; retry_after_s: seconds (>= 1) until one more is admitted.
    """

    policy_name: str
    quota: int
    window_s: int
    remaining: int
    retry_after_s: int


class Verdict(NamedTuple):
    """The decision on one request.

    body: the complete signed answer of the protocol.
    limit: set when, and only when, the answer must travel as HTTP 429.
    client_id, public_id: as far as the request could be read; never the OTP itself.
    shadowed: over the limit, let through because the client is in shadow mode.
    counted_for: the client whose usage this is; 0 unless there is known to be such a client.
    beyond_level: it asked for an `sl` that the configuration cannot give.
    """

    status: Status
    body: bytes
    limit: LimitAdvice | None
    client_id: int | None
    public_id: str | None
    shadowed: bool
    counted_for: int = 0
    beyond_level: bool = False


def shown_rate(policy: Policy) -> Rate:
    """Return the rate a client is told of: its burst policy, or the day's when that is all."""
    return policy.day if policy.burst == UNLIMITED else policy.burst


def advise(policy_name: str, rate: Rate, *, remaining: int, retry_us: int) -> LimitAdvice:
    """Put a refusal into whole seconds, rounded up: a client that obeys is served."""
    sessions = rate.burst
    return LimitAdvice(
        policy_name=policy_name,
        quota=sessions,
        window_s=max(1, -(-sessions * rate.step_us // _SECOND_US)),
        remaining=remaining,
        retry_after_s=max(1, -(-retry_us // _SECOND_US)),
    )
