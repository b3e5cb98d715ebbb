"""Budgets: exactly as many sessions as the limit admits, in order, nobody else's."""

import asyncio

from server.accounts.ports import LimitOverride
from server.otp.ports import UNSIGNED_BUCKETS, Kind, Outcome
from tests.server.acts import ACT
from tests.server.storage.entries import (
    BURST,
    OTHER,
    POLICY,
    STEP_US,
    TOKEN,
    a_client,
    bad_otp,
    decide,
    kinds,
    otp,
    the_keys,
)
from tests.server.storage.keepers import Keeper, PostgresKeeper, Store
from validation.gcra import UNLIMITED, Policy, Rate

DAY_US = 86_400_000_000


def override(
    policy: Policy, *, shadow: bool = False, expires_us: int | None = None
) -> LimitOverride:
    return LimitOverride(policy, shadow, "because", expires_us)


async def test_a_batch_is_admitted_in_order_up_to_the_limit(store: Store) -> None:
    client = await a_client(store)
    found = await decide(store, *[bad_otp(client, key_version=0)] * (BURST + 3))
    assert found == [Kind.CHARGED] * BURST + [Kind.LIMITED] * 3


async def test_outcomes_tell_what_remains_and_how_long_to_wait(store: Store) -> None:
    client = await a_client(store)
    outcomes = await store.spend_and_advance([bad_otp(client, key_version=0)] * (BURST + 1))
    assert [outcome.remaining for outcome in outcomes] == [4, 3, 2, 1, 0, 0]
    assert [outcome.retry_us for outcome in outcomes] == [0, 0, 0, 0, STEP_US, STEP_US]


async def test_a_limited_otp_is_not_consumed_and_validates_later(
    keeper: Keeper, store: Store
) -> None:
    client = await a_client(store)
    await the_keys(store)
    await decide(store, *[bad_otp(client)] * BURST)
    before = await keeper.counters()
    (limited,) = await store.spend_and_advance([otp(client, 1, 1)])
    assert limited == Outcome(Kind.LIMITED, 0, STEP_US)
    assert await keeper.counters() == before
    keeper.clock.us += limited.retry_us
    assert await decide(store, otp(client, 1, 1)) == [Kind.OK]


async def test_the_limit_holds_across_batches_and_refills_step_by_step(
    keeper: Keeper, store: Store
) -> None:
    client = await a_client(store)
    entry = bad_otp(client, key_version=0)
    assert await decide(store, *[entry] * 3) == [Kind.CHARGED] * 3
    assert await decide(store, *[entry] * 3) == [Kind.CHARGED] * 2 + [Kind.LIMITED]
    keeper.clock.us += 2 * STEP_US
    assert await decide(store, *[entry] * 3) == [Kind.CHARGED] * 2 + [Kind.LIMITED]


async def test_exactly_500_of_500_are_admitted_from_many_connections(
    keeper: Keeper, store: Store
) -> None:
    client = await a_client(store)
    # One session an hour: nothing refills while the test runs.
    policy = Policy(Rate(3_600_000_000, 499 * 3_600_000_000), UNLIMITED)
    details = await store.set_client_limit(client, override(policy), act=ACT)
    assert details is not None
    handles = [store, *[await keeper.open() for _ in range(7)]]
    if isinstance(keeper, PostgresKeeper):
        for handle in handles:  # by the server's clock, as in production
            handle._hot.now_us = None  # type: ignore[union-attr]
    entry = bad_otp(client, key_version=0)._replace(client_version=details.version)

    async def ask(handle: Store) -> list[Kind]:
        found = []
        for _ in range(12):
            found += kinds(await handle.spend_and_advance([entry] * 7))
        return found

    found = [kind for one in await asyncio.gather(*map(ask, handles)) for kind in one]
    assert (found.count(Kind.CHARGED), found.count(Kind.LIMITED)) == (500, 8 * 12 * 7 - 500)


async def test_a_full_purse_under_contention_admits_nobody_by_a_slow_clock(
    keeper: Keeper, store: Store
) -> None:
    """A burst of one: every racer but one comes with a time before the winner's."""
    client = await a_client(store)
    policy = Policy(Rate(3_600_000_000, 0), UNLIMITED)
    details = await store.set_client_limit(client, override(policy), act=ACT)
    assert details is not None
    handles = [store, *[await keeper.open() for _ in range(7)]]
    if isinstance(keeper, PostgresKeeper):
        for handle in handles:
            handle._hot.now_us = None  # type: ignore[union-attr]
    entry = bad_otp(client, key_version=0)._replace(client_version=details.version)
    found = await asyncio.gather(*(decide(handle, entry) for handle in handles * 4))
    assert sum(kind is Kind.CHARGED for (kind,) in found) == 1


async def test_signed_and_unsigned_buckets_are_separate(store: Store) -> None:
    client = await a_client(store)
    await decide(store, *[bad_otp(client, key_version=0, bucket=7)] * BURST)
    batch = [bad_otp(client, key_version=0, bucket=number) for number in (7, 0, UNSIGNED_BUCKETS)]
    assert await decide(store, *batch) == [Kind.LIMITED, Kind.CHARGED, Kind.CHARGED]
    details = await store.client_details(client)
    assert details is not None
    assert [usage.bucket for usage in details.usage] == [0, 7, UNSIGNED_BUCKETS]


async def test_clients_do_not_spend_from_each_other(store: Store) -> None:
    spender, other = await a_client(store), await a_client(store)
    batch = [bad_otp(spender, key_version=0)] * (BURST + 1) + [bad_otp(other, key_version=0)]
    outcomes = await store.spend_and_advance(batch)
    assert kinds(outcomes)[-2:] == [Kind.LIMITED, Kind.CHARGED]
    assert outcomes[-1].remaining == BURST - 1


async def test_a_free_entry_neither_pays_nor_is_limited(keeper: Keeper, store: Store) -> None:
    client = await a_client(store)
    await the_keys(store, TOKEN, OTHER)
    assert await decide(store, otp(client, 1, 1, free=True)) == [Kind.OK]
    assert await keeper.budgets() == {}
    await decide(store, *[bad_otp(client)] * BURST)
    assert await decide(
        store, otp(client, 1, 1, free=True, nonce="x"), bad_otp(client, free=True), bad_otp(client)
    ) == [Kind.REPLAYED_OTP, Kind.CHARGED, Kind.LIMITED]


async def test_a_replayed_request_is_free_and_known_even_over_the_limit(
    keeper: Keeper, store: Store
) -> None:
    client = await a_client(store)
    await the_keys(store)
    entry = otp(client, 1, 1)
    await decide(store, entry, *[bad_otp(client)] * BURST)
    before = await keeper.budgets()
    assert await decide(store, entry) == [Kind.REPLAYED_REQUEST]
    assert await keeper.budgets() == before


async def test_a_replayed_otp_pays(store: Store) -> None:
    client = await a_client(store)
    await the_keys(store)
    await decide(store, otp(client, 1, 1))
    (outcome,) = await store.spend_and_advance([otp(client, 1, 1, nonce="other")])
    assert (outcome.kind, outcome.remaining) == (Kind.REPLAYED_OTP, BURST - 2)


async def test_what_the_worker_must_reload_costs_nothing(keeper: Keeper, store: Store) -> None:
    client = await a_client(store)
    await the_keys(store)
    assert await decide(
        store,
        otp(client, 1, 1, client_version=9),
        otp(client + 1, 1, 1, public_id=OTHER),
        bad_otp(client, key_version=0),
        bad_otp(client, public_id=OTHER, key_version=1),
    ) == [Kind.STALE_CLIENT, Kind.STALE_CLIENT, Kind.STALE_KEY, Kind.MISSING_COUNTER]
    assert await keeper.budgets() == {}


async def test_over_the_limit_outranks_what_is_wrong_with_the_key(store: Store) -> None:
    client = await a_client(store)
    await the_keys(store)
    await decide(store, *[bad_otp(client)] * BURST)
    assert (
        await decide(
            store,
            bad_otp(client, key_version=0),
            bad_otp(client, public_id=OTHER, key_version=1),
            otp(client, 1, 1, key_version=9),
        )
        == [Kind.LIMITED] * 3
    )


async def test_a_disabled_client_is_stale_at_once_and_consumes_nothing(
    keeper: Keeper, store: Store
) -> None:
    client = await a_client(store)
    await the_keys(store)
    before = await keeper.counters()
    off = await store.set_client_active(client, active=False, act=ACT)
    assert off is not None
    assert (off.active, off.version) == (False, 2)
    for version in (1, 2):
        assert await decide(store, otp(client, 1, 1, client_version=version)) == [Kind.STALE_CLIENT]
    assert await keeper.counters() == before
    on = await store.set_client_active(client, active=True, act=ACT)
    assert on is not None
    assert await decide(store, otp(client, 1, 1, client_version=on.version)) == [Kind.OK]


async def test_a_client_in_shadow_mode_is_let_through_and_told_apart(
    keeper: Keeper, store: Store
) -> None:
    client = await a_client(store)
    await store.set_client_limit(client, override(POLICY, shadow=True), act=ACT)
    entry = bad_otp(client, key_version=0)._replace(client_version=2)
    outcomes = await store.spend_and_advance([entry] * (BURST + 2))
    assert kinds(outcomes) == [Kind.CHARGED] * (BURST + 2)
    assert [outcome.shadowed for outcome in outcomes] == [False] * BURST + [True] * 2
    full = await keeper.budgets()
    assert [outcome.shadowed for outcome in await store.spend_and_advance([entry])] == [True]
    assert await keeper.budgets() == full, "what is let through is not charged"


async def test_an_override_holds_until_it_expires(keeper: Keeper, store: Store) -> None:
    client = await a_client(store)
    tight = Policy(Rate(DAY_US, 0), UNLIMITED)
    expires_us = keeper.clock.us + STEP_US
    await store.set_client_limit(client, override(tight, expires_us=expires_us), act=ACT)
    entry = bad_otp(client, key_version=0)._replace(client_version=2)
    assert await decide(store, entry, entry) == [Kind.CHARGED, Kind.LIMITED]
    keeper.clock.us = expires_us - 1
    assert await decide(store, entry) == [Kind.LIMITED]
    keeper.clock.us = expires_us
    # The default again. A TAT that it could never have left counts as now + slack.
    assert await decide(store, *[entry] * 3) == [Kind.CHARGED, Kind.LIMITED, Kind.LIMITED]


async def test_both_limits_must_admit_a_session(keeper: Keeper, store: Store) -> None:
    client = await a_client(store)
    await store.set_client_limit(
        client, override(Policy(Rate.per_second(1000, 1000), Rate.per_day(3))), act=ACT
    )
    entry = bad_otp(client, key_version=0)._replace(client_version=2)
    outcomes = await store.spend_and_advance([entry] * 4)
    assert kinds(outcomes) == [Kind.CHARGED] * 3 + [Kind.LIMITED]
    assert outcomes[-1].retry_us == DAY_US // 3
    keeper.clock.us += DAY_US // 3
    assert await decide(store, *[entry] * 2) == [Kind.CHARGED, Kind.LIMITED]


async def test_no_limit_is_no_limit(store: Store) -> None:
    client = await a_client(store)
    await store.set_client_limit(client, override(Policy(UNLIMITED, UNLIMITED)), act=ACT)
    entry = bad_otp(client, key_version=0)._replace(client_version=2)
    for _ in range(3):
        assert set(await decide(store, *[entry] * 500)) == {Kind.CHARGED}


async def test_s21_a_clock_that_jumped_forward_and_back_blocks_nobody(
    keeper: Keeper, store: Store
) -> None:
    client = await a_client(store)
    await the_keys(store)
    ten_years = 10 * 365 * DAY_US
    keeper.clock.us += ten_years
    assert set(await decide(store, *[bad_otp(client)] * BURST)) == {Kind.CHARGED}
    assert await decide(store, otp(client, 1, 1)) == [Kind.LIMITED]
    keeper.clock.us -= ten_years
    assert await decide(store, otp(client, 1, 1), otp(client, 1, 1, public_id=OTHER)) == [
        Kind.OK,
        Kind.LIMITED,
    ]
    assert await decide(store, otp(client, 1, 1, nonce="x")) == [Kind.LIMITED]
    keeper.clock.us += STEP_US
    assert await decide(store, otp(client, 1, 1, nonce="x")) == [Kind.REPLAYED_OTP]
