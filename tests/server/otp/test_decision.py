"""The pure decision: the order of its questions, and the limiter taken one by one.

What a keeper must do with it is in tests/server/storage.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.otp.decision import (
    ClientRow,
    Decision,
    KeyRow,
    KeyUpdate,
    Limit,
    check_batch,
    decide,
)
from server.otp.ports import MAX_BATCH, UNSIGNED_BUCKETS, Advance, Entry, Kind, Outcome
from validation.gcra import FRESH, UNLIMITED, Budget, Policy, Rate, spend

NOW_US = 1_795_262_400_000_000
ROOMY = Policy(UNLIMITED, UNLIMITED)
TWO_AT_ONCE = Policy(Rate(100, 100), UNLIMITED)
TOKEN = "cccccccccccb"

CLIENT = ClientRow(active=True, version=1)
KEY = KeyRow(
    active=True, version=1, session=5, use=5, clock=0, nonce="stored", accepted_us=NOW_US - 1
)
NEXT = Entry(1, 1, 0, False, TOKEN, 1, Advance(5, 6, 100), "nonce")
BAD = NEXT._replace(advance=None)


def decided(
    *batch: Entry,
    client: ClientRow = CLIENT,
    key: KeyRow | None = KEY,
    policy: Policy = ROOMY,
    budget: Budget = FRESH,
) -> Decision:
    return decide(
        batch,
        clients={1: client},
        keys={} if key is None else {TOKEN: key},
        budgets={(1, 0): budget},
        default_policy=policy,
        now_us=NOW_US,
    )


def kind(entry: Entry, **state: object) -> Kind:
    return decided(entry, **state).outcomes[0].kind  # type: ignore[arg-type]


def test_a_fresh_otp_moves_the_counters_and_pays() -> None:
    decision = decided(NEXT)
    assert decision.keys == [KeyUpdate(TOKEN, 5, 6, 100, "nonce", NOW_US, 1)]
    assert set(decision.budgets) == {(1, 0)}


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        (NEXT, Kind.OK),
        (BAD, Kind.CHARGED),
        (NEXT._replace(advance=Advance(5, 5, 0)), Kind.REPLAYED_OTP),
        (NEXT._replace(advance=Advance(5, 5, 0), nonce="stored"), Kind.REPLAYED_REQUEST),
        (NEXT._replace(advance=Advance(5, 4, 0), nonce="stored"), Kind.REPLAYED_OTP),
        (NEXT._replace(advance=Advance(5, 6, 1000, phishing_test=True)), Kind.DELAYED_OTP),
        (NEXT._replace(key_version=2), Kind.STALE_KEY),
        (NEXT._replace(key_version=0), Kind.STALE_KEY),
        (BAD._replace(key_version=0), Kind.STALE_KEY),
        (NEXT._replace(client_version=2), Kind.STALE_CLIENT),
        (NEXT._replace(client_id=2), Kind.STALE_CLIENT),
    ],
)
def test_each_kind_has_its_reason(entry: Entry, found: Kind) -> None:
    assert kind(entry) is found


def test_a_key_without_a_row_is_missing_only_to_who_holds_its_record() -> None:
    assert kind(NEXT, key=None) is Kind.MISSING_COUNTER
    assert kind(BAD, key=None) is Kind.MISSING_COUNTER
    assert kind(BAD._replace(key_version=0), key=None) is Kind.CHARGED
    assert kind(NEXT._replace(key_version=0), key=None) is Kind.STALE_KEY


def test_an_inactive_client_or_key_is_stale_also_under_its_own_version() -> None:
    assert kind(NEXT, client=CLIENT._replace(active=False)) is Kind.STALE_CLIENT
    assert kind(NEXT, key=KEY._replace(active=False)) is Kind.STALE_KEY
    assert kind(BAD, key=KEY._replace(active=False)) is Kind.CHARGED


def test_an_empty_nonce_never_makes_a_replayed_request() -> None:
    repeated = NEXT._replace(advance=Advance(5, 5, 0), nonce="")
    assert kind(repeated, key=KEY._replace(nonce="")) is Kind.REPLAYED_OTP


def test_the_client_comes_before_the_limit_and_the_limit_before_the_key() -> None:
    spent = Budget(NOW_US + 10**9, 0)
    full = Policy(Rate(10**9, 0), UNLIMITED)
    for entry, found in [
        (NEXT._replace(client_version=2), Kind.STALE_CLIENT),
        (NEXT._replace(advance=Advance(5, 5, 0), nonce="stored"), Kind.REPLAYED_REQUEST),
        (NEXT, Kind.LIMITED),
        (NEXT._replace(key_version=2), Kind.LIMITED),
        (BAD, Kind.LIMITED),
    ]:
        assert kind(entry, policy=full, budget=spent) is found
    assert kind(NEXT, key=None, policy=full, budget=spent) is Kind.LIMITED


def test_what_is_not_decided_about_the_otp_does_not_pay() -> None:
    for entry in (NEXT._replace(key_version=2), NEXT._replace(client_version=2)):
        decision = decided(entry)
        assert (decision.budgets, decision.keys) == ({}, [])
    assert decided(NEXT, key=None).budgets == {}


def test_the_limit_is_asked_in_order_and_a_limited_otp_moves_nothing() -> None:
    decision = decided(BAD, BAD, NEXT, policy=TWO_AT_ONCE)
    assert decision.outcomes == [
        Outcome(Kind.CHARGED, 1, 0),
        Outcome(Kind.CHARGED, 0, 100),
        Outcome(Kind.LIMITED, 0, 100),
    ]
    assert decision.keys == []


def test_a_free_entry_passes_a_spent_budget() -> None:
    decision = decided(BAD, BAD, NEXT._replace(free=True), BAD, policy=TWO_AT_ONCE)
    assert [outcome.kind for outcome in decision.outcomes][2:] == [Kind.OK, Kind.LIMITED]


def test_shadow_mode_lets_through_tells_and_does_not_charge() -> None:
    watched = CLIENT._replace(limit=Limit(TWO_AT_ONCE, shadow=True, expires_us=None))
    decision = decided(BAD, BAD, NEXT, client=watched)
    assert decision.outcomes[2] == Outcome(Kind.OK, 0, 100, shadowed=True)
    assert decision.budgets == decided(BAD, BAD, client=watched).budgets


def test_an_expired_override_is_the_default_and_no_shadow() -> None:
    limit = Limit(ROOMY, shadow=True, expires_us=NOW_US)
    watched = CLIENT._replace(limit=limit)
    assert decided(BAD, BAD, BAD, client=watched, policy=TWO_AT_ONCE).outcomes[2] == Outcome(
        Kind.LIMITED, 0, 100
    )
    watched = CLIENT._replace(limit=limit._replace(expires_us=NOW_US + 1))
    assert decided(*[BAD] * 3, client=watched, policy=TWO_AT_ONCE).outcomes[2].kind is Kind.CHARGED


def test_each_bucket_has_its_budget() -> None:
    other = BAD._replace(bucket=UNSIGNED_BUCKETS)
    decision = decided(BAD, BAD, other, BAD, policy=TWO_AT_ONCE)
    kinds = [outcome.kind for outcome in decision.outcomes]
    assert kinds == [Kind.CHARGED, Kind.CHARGED, Kind.CHARGED, Kind.LIMITED]
    assert set(decision.budgets) == {(1, 0), (1, UNSIGNED_BUCKETS)}


@pytest.mark.parametrize(
    "batch",
    [
        [BAD] * (MAX_BATCH + 1),
        [NEXT, NEXT],
        [NEXT._replace(bucket=UNSIGNED_BUCKETS + 1)],
        [NEXT._replace(bucket=-1)],
        [NEXT._replace(advance=Advance(0x8000, 0, 0))],
        [NEXT._replace(advance=Advance(0, 0x100, 0))],
        [NEXT._replace(advance=Advance(0, 0, 0x1000000))],
        [NEXT._replace(advance=Advance(-1, 0, 0))],
    ],
)
def test_a_batch_that_breaks_the_contract_is_refused(batch: list[Entry]) -> None:
    with pytest.raises(ValueError, match=r"batch|bucket|counters"):
        check_batch(batch)


def test_a_batch_within_the_contract_is_accepted() -> None:
    check_batch([NEXT, *[BAD] * (MAX_BATCH - 1)])


rates = st.builds(Rate, st.integers(1, 30), st.one_of(st.integers(0, 100), st.just(10**15)))
tats = st.one_of(
    st.just(0), st.integers(-200, 400).map(lambda offset: NOW_US + offset), st.just(2 * NOW_US)
)
states = st.sampled_from([BAD, BAD._replace(key_version=9), BAD._replace(free=True)])


@given(
    policy=st.builds(Policy, rates, rates),
    shadow=st.booleans(),
    budget=st.builds(Budget, tats, tats),
    batch=st.lists(states, max_size=20),
)
def test_a_batch_spends_as_its_entries_would_one_by_one(
    *,
    policy: Policy,
    shadow: bool,
    budget: Budget,
    batch: list[Entry],
) -> None:
    client = CLIENT._replace(limit=Limit(policy, shadow, None))
    decision = decided(*batch, client=client, budget=budget)
    wanted = []
    for entry in batch:
        pays = entry.key_version == 1 and not entry.free
        granted, budget, remaining, retry_us = spend(policy, budget, int(pays), NOW_US)
        over = not (granted or remaining or entry.free)
        found = Kind.CHARGED if entry.key_version == 1 else Kind.STALE_KEY
        if over and not shadow:
            wanted.append(Outcome(Kind.LIMITED, 0, retry_us))
        else:
            wanted.append(Outcome(found, remaining, retry_us, over))
    assert decision.outcomes == wanted
    assert decision.budgets.get((1, 0), budget) == budget
