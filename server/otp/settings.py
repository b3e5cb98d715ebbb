"""What an operator may set about verification; every figure has a bound in memory or time."""

from typing import NamedTuple

from validation.gcra import Rate


class VerifierSettings(NamedTuple):
    """Limits and promises of one verifying process.

    deadline_s: the longest a verification takes; a client's own `timeout` may only shorten
    it. guaranteed_sync_level: per cent, 100 x k/n for a commit that waits for k of n
    replicas. source_rate: requests per source address. clients, keys, sources, sessions,
    blocked: how many of each are kept in memory at most (a key or a session takes about 350
    octets).
    refusal_lines: log lines about refusals per second; more are only counted.
    """

    deadline_s: float = 5.0
    guaranteed_sync_level: int = 100
    source_rate: Rate = Rate.per_second(1000, 1000)
    clients: int = 10_000
    keys: int = 200_000
    sources: int = 100_000
    sessions: int = 20_000
    blocked: int = 20_000
    refusal_lines: int = 20
