"""Bounds of a limit that the store can calculate with."""

from validation.gcra import Policy

_LARGEST_US = 2**60
"""36,000 years: now + slack + step stays far within the 64 bits of both engines."""


def check_policy(policy: Policy) -> None:
    """Refuse (ValueError) a policy whose arithmetic would overflow or divide by zero.

    A single such client would make every batch fail that it takes part in.
    """
    for rate in policy:
        if not (1 <= rate.step_us <= _LARGEST_US and 0 <= rate.slack_us <= _LARGEST_US):
            raise ValueError(
                "a limit needs a step of at least 1 us, a slack of at least 0, and both below"
                f" {_LARGEST_US} us, not {rate}"
            )
