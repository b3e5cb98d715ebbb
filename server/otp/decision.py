"""The decision on a batch: what was loaded and the time go in, outcomes and new rows come out.

Pure. The embedded store runs it inside its transaction; PostgreSQL computes the same in one
statement, and a property test holds the two against each other.

The order of the questions is the promise (wsapi.md, "Order of checks"): client, repeated
request, limit, key, counters. Only an entry that gets an answer about its OTP pays; the
limit is asked before anything is consumed.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from server.otp.ports import MAX_BATCH, UNSIGNED_BUCKETS, Advance, Entry, Kind, Outcome
from validation.counters import is_delayed, is_fresh
from validation.gcra import FRESH, Budget, Policy, spend

_MAX_SESSION = 0x7FFF
_MAX_USE = 0xFF
_MAX_CLOCK = 0xFFFFFF


class Limit(NamedTuple):
    """A client's own limit. expires_us: from then on the default holds (None: never)."""

    policy: Policy
    shadow: bool
    expires_us: int | None

    def in_force(self, now_us: int) -> bool:
        """Tell whether the override still holds."""
        return self.expires_us is None or now_us < self.expires_us


class ClientRow(NamedTuple):
    """What the decision needs of a client; `limit` is its override, None for the default."""

    active: bool
    version: int
    limit: Limit | None = None


class KeyRow(NamedTuple):
    """A key's hot row; session and use are -1 until its first accepted OTP."""

    active: bool
    version: int
    session: int
    use: int
    clock: int
    nonce: str
    accepted_us: int


class KeyUpdate(NamedTuple):
    """New counters of a key, to be written only above the stored ones."""

    public_id: str
    session: int
    use: int
    clock: int
    nonce: str
    accepted_us: int
    accepted_client: int


class Decision(NamedTuple):
    """Outcomes in the batch's order, and what must be stored before they are told.

    budgets: by (client id, bucket), only those that were spent from.
    """

    outcomes: list[Outcome]
    budgets: dict[tuple[int, int], Budget]
    keys: list[KeyUpdate]


_PAYING = frozenset({Kind.OK, Kind.REPLAYED_OTP, Kind.DELAYED_OTP, Kind.CHARGED})


def check_batch(batch: Sequence[Entry]) -> None:
    """Refuse (ValueError) a batch that breaks the contract of `HotStore`."""
    if len(batch) > MAX_BATCH:
        raise ValueError(f"a batch holds at most {MAX_BATCH} entries, not {len(batch)}")
    advanced = set()
    for entry in batch:
        if not 0 <= entry.bucket <= UNSIGNED_BUCKETS:
            raise ValueError(f"there is no bucket {entry.bucket}")
        if (advance := entry.advance) is None:
            continue
        if entry.public_id in advanced:
            raise ValueError("a batch holds at most one entry that advances a key")
        advanced.add(entry.public_id)
        if not (
            0 <= advance.session <= _MAX_SESSION
            and 0 <= advance.use <= _MAX_USE
            and 0 <= advance.clock <= _MAX_CLOCK
        ):
            raise ValueError("counters outside of what an OTP can carry")


def decide(
    batch: Sequence[Entry],
    *,
    clients: Mapping[int, ClientRow],
    keys: Mapping[str, KeyRow],
    budgets: Mapping[tuple[int, int], Budget],
    default_policy: Policy,
    now_us: int,
) -> Decision:
    """Decide a batch in order at `now_us` (microseconds since the epoch).

    Absent from `clients` or `keys` means: no such row; from `budgets`: nothing spent yet.
    """
    outcomes: list[Outcome] = []
    spent: dict[tuple[int, int], Budget] = {}
    updates: list[KeyUpdate] = []
    for entry in batch:
        client = clients.get(entry.client_id)
        if client is None or not client.active or client.version != entry.client_version:
            outcomes.append(Outcome(Kind.STALE_CLIENT))
            continue
        kind = _judge(entry, keys.get(entry.public_id), now_us)
        policy, shadow = _limit_in_force(client, default_policy, now_us)
        account = (entry.client_id, entry.bucket)
        budget = spent.get(account) or budgets.get(account, FRESH)
        pays = not entry.free and kind in _PAYING
        granted, budget, remaining, retry_us = spend(policy, budget, pays, now_us)
        over = not (granted or remaining or entry.free or kind is Kind.REPLAYED_REQUEST)
        if over and not shadow:
            outcomes.append(Outcome(Kind.LIMITED, 0, retry_us))
            continue
        if granted:
            spent[account] = budget
        if kind is Kind.OK:
            updates.append(_update(entry, now_us))
        outcomes.append(Outcome(kind, remaining, retry_us, over))
    return Decision(outcomes, spent, updates)


def _limit_in_force(client: ClientRow, default: Policy, now_us: int) -> tuple[Policy, bool]:
    limit = client.limit
    if limit is None or not limit.in_force(now_us):
        return default, False
    return limit.policy, limit.shadow


def _judge(entry: Entry, key: KeyRow | None, now_us: int) -> Kind:
    """Return what becomes of an entry if its client may spend."""
    if key is None and entry.key_version:
        # The worker holds a sealed record, yet there are no counters to compare with:
        # without them every OTP of this key would look fresh (S6).
        return Kind.MISSING_COUNTER
    if entry.key_version != (key.version if key else 0):
        return Kind.STALE_KEY
    if (advance := entry.advance) is None:
        return Kind.CHARGED
    if key is None or not key.active:
        return Kind.STALE_KEY
    return _compare(key, advance, entry.nonce, now_us)


def _compare(key: KeyRow, advance: Advance, nonce: str, now_us: int) -> Kind:
    """Hold an OTP's counters against those of its key."""
    stored = (key.session, key.use)
    offered = (advance.session, advance.use)
    if not is_fresh(stored, offered):
        # Protocol 1 has no nonce: nothing tells a repeated request from a replay.
        repeated = stored == offered and nonce and key.nonce == nonce
        return Kind.REPLAYED_REQUEST if repeated else Kind.REPLAYED_OTP
    delayed = advance.phishing_test and is_delayed(
        key.session, key.clock, key.accepted_us, advance.session, advance.clock, now_us
    )
    return Kind.DELAYED_OTP if delayed else Kind.OK


def _update(entry: Entry, now_us: int) -> KeyUpdate:
    advance = entry.advance
    if advance is None:
        raise AssertionError("only an entry that advances a key is OK")
    return KeyUpdate(
        entry.public_id,
        advance.session,
        advance.use,
        advance.clock,
        entry.nonce,
        now_us,
        entry.client_id,
    )
