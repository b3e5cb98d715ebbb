"""Exit codes of `python -m loadtest`: a script can tell danger from slowness."""

from enum import IntEnum


class Exit(IntEnum):
    """One per outcome. When several hold, the first in this order: 10, 11, 12, 2, 3, 20, 21, 22."""

    PASSED = 0
    """No violation, and every threshold met."""
    USAGE = 2
    """Wrong options, an unusable file, or a target that may not be loaded. Nothing was sent."""
    BROKEN = 3
    """The run or its ledger was not whole: nothing is proven."""
    OK_FOR_NONE = 10
    """Stopped at once: an OTP got OK that must never get it (a replay, say)."""
    NONE_FOR_OK = 11
    """Stopped at once: a valid OTP of a client below its limit did not get OK."""
    LEDGER = 12
    """The ledger contradicts a property, or does not show what it has to."""
    SLOW = 20
    """p99 was above --p99-ms."""
    FAILURES = 21
    """The share of failures was above --max-failure-share."""
    THROUGHPUT = 22
    """Fewer requests a second were answered than --min-rate."""
