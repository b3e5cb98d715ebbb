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


# Looked up once: an enum's members cost a call each time.
_OK = Kind.OK
_REPLAYED_OTP = Kind.REPLAYED_OTP
_REPLAYED_REQUEST = Kind.REPLAYED_REQUEST
_STALE_KEY = Kind.STALE_KEY
_MISSING_COUNTER = Kind.MISSING_COUNTER
_STALE_CLIENT = Outcome(Kind.STALE_CLIENT)


class _Account:
    """What a batch spends from one budget: the arithmetic of `spend`, taken to pieces.

    All sessions cost the same, so `left` just counts down, and the budget is written once.
    """

    __slots__ = ("_budget", "_now_us", "_policy", "left", "paid", "retry_us", "shadow")

    def __init__(self, policy: Policy, budget: Budget, now_us: int, *, shadow: bool) -> None:
        self._policy = policy
        self._budget = budget
        self._now_us = now_us
        self.shadow = shadow
        self.paid = 0
        self.left = spend(policy, budget, 0, now_us).remaining
        # Until the next session when none is left; while some are left there is no waiting.
        self.retry_us = spend(policy, budget, self.left, now_us).retry_us

    def settled(self) -> Budget:
        return spend(self._policy, self._budget, self.paid, self._now_us).budget


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
    accounts: dict[tuple[int, int], _Account] = {}
    updates: list[KeyUpdate] = []
    for entry in batch:
        client_id, client_version, bucket, free, public_id, _, advance, nonce = entry
        client = clients.get(client_id)
        if client is None or not client.active or client.version != client_version:
            outcomes.append(_STALE_CLIENT)
            continue
        account = accounts.get((client_id, bucket))
        if account is None:
            policy, shadow = _limit_in_force(client, default_policy, now_us)
            budget = budgets.get((client_id, bucket), FRESH)
            account = _Account(policy, budget, now_us, shadow=shadow)
            accounts[client_id, bucket] = account
        kind = _judge(entry, keys.get(public_id), now_us)
        over = False
        if not free and kind is not _REPLAYED_REQUEST:
            if over := not account.left:
                if not account.shadow:
                    outcomes.append(Outcome(Kind.LIMITED, 0, account.retry_us))
                    continue
            elif kind is not _STALE_KEY and kind is not _MISSING_COUNTER:
                account.left -= 1
                account.paid += 1
        if kind is _OK and advance is not None:
            session, use, clock, _ = advance
            updates.append(KeyUpdate(public_id, session, use, clock, nonce, now_us, client_id))
        left = account.left
        outcomes.append(Outcome(kind, left, 0 if left else account.retry_us, over))
    spent = {key: account.settled() for key, account in accounts.items() if account.paid}
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
        return _MISSING_COUNTER
    if entry.key_version != (key.version if key else 0):
        return _STALE_KEY
    if (advance := entry.advance) is None:
        return Kind.CHARGED
    if key is None or not key.active:
        return _STALE_KEY
    return _compare(key, advance, entry.nonce, now_us)


def _compare(key: KeyRow, advance: Advance, nonce: str, now_us: int) -> Kind:
    """Hold an OTP's counters against those of its key."""
    _, _, stored_session, stored_use, stored_clock, stored_nonce, accepted_us = key
    session, use, clock, phishing_test = advance
    if not is_fresh((stored_session, stored_use), (session, use)):
        # Protocol 1 has no nonce: nothing tells a repeated request from a replay.
        repeated = stored_session == session and stored_use == use and nonce == stored_nonce != ""
        return _REPLAYED_REQUEST if repeated else _REPLAYED_OTP
    if phishing_test and is_delayed(
        stored_session, stored_clock, accepted_us, session, clock, now_us
    ):
        return Kind.DELAYED_OTP
    return _OK
