"""Counters: an OTP counts once, in order, and only for its own key."""

import asyncio

import pytest

from server.otp.ports import MAX_BATCH, Advance, Kind
from tests.server.acts import ACT
from tests.server.storage.entries import (
    BURST,
    OTHER,
    TOKEN,
    a_client,
    bad_otp,
    decide,
    otp,
    the_keys,
)
from tests.server.storage.keepers import Keeper, Store


async def test_a_fresh_otp_is_ok_and_a_replay_is_not(store: Store) -> None:
    client = await a_client(store)
    await the_keys(store)
    assert await decide(store, otp(client, 0, 0, nonce="first")) == [Kind.OK]
    assert await decide(store, otp(client, 0, 0, nonce="second")) == [Kind.REPLAYED_OTP]


async def test_an_accepted_otp_is_stored_with_its_time_and_client(
    keeper: Keeper, store: Store
) -> None:
    client = await a_client(store)
    await the_keys(store)
    await decide(store, otp(client, 3, 2, clock=77, nonce="n"))
    key = (await keeper.counters())[TOKEN]
    assert (key.session, key.use, key.clock, key.nonce) == (3, 2, 77, "n")
    assert key.accepted_us == keeper.clock.us
    details = await store.key_details(TOKEN)
    assert details is not None
    assert (details.accepted_us, details.accepted_client) == (keeper.clock.us, client)


@pytest.mark.parametrize(
    ("session", "use", "kind"),
    [
        (5, 9, Kind.REPLAYED_OTP),
        (5, 10, Kind.REPLAYED_OTP),
        (4, 255, Kind.REPLAYED_OTP),
        (5, 11, Kind.OK),
        (6, 0, Kind.OK),
        (0x7FFF, 255, Kind.OK),
    ],
)
async def test_s5_session_and_use_are_compared_as_a_pair(
    store: Store, session: int, use: int, kind: Kind
) -> None:
    client = await a_client(store)
    await the_keys(store)
    await decide(store, otp(client, 5, 10, nonce="first"))
    assert await decide(store, otp(client, session, use, nonce="second")) == [kind]


@pytest.mark.parametrize("session", [-1, 0x8000])
async def test_s5_a_session_no_otp_can_carry_is_a_broken_promise(
    keeper: Keeper, store: Store, session: int
) -> None:
    client = await a_client(store)
    await the_keys(store)
    with pytest.raises(ValueError, match="counters outside"):
        await store.spend_and_advance([otp(client, session, 0)])
    assert (await keeper.counters())[TOKEN].session == -1


async def test_the_same_request_again_is_a_replayed_request(store: Store) -> None:
    client = await a_client(store)
    await the_keys(store)
    entry = otp(client, 1, 1)
    assert await decide(store, entry) == [Kind.OK]
    assert await decide(store, entry) == [Kind.REPLAYED_REQUEST]
    assert await decide(store, otp(client, 1, 0)) == [Kind.REPLAYED_OTP]


async def test_without_a_nonce_the_same_request_is_a_replayed_otp(store: Store) -> None:
    client = await a_client(store)
    await the_keys(store)
    entry = otp(client, 1, 1, nonce="")
    assert await decide(store, entry) == [Kind.OK]
    assert await decide(store, entry) == [Kind.REPLAYED_OTP]


async def test_s6_lost_counters_fail_closed_and_are_told_apart(
    keeper: Keeper, store: Store
) -> None:
    client = await a_client(store)
    await the_keys(store)
    await decide(store, otp(client, 1, 1))
    await keeper.lose_counters(TOKEN)
    before = await keeper.budgets()
    key = await store.key(TOKEN)
    assert key is not None, "the loss must not look like an unknown key"
    entry = otp(client, 9, 9, key_version=key.version)
    assert await decide(store, entry, bad_otp(client, key_version=key.version)) == [
        Kind.MISSING_COUNTER,
        Kind.MISSING_COUNTER,
    ]
    assert await keeper.counters() == {}, "counters are never made by a verification"
    assert await keeper.budgets() == before


async def test_s4_unknown_public_ids_create_no_rows(keeper: Keeper, store: Store) -> None:
    client = await a_client(store)
    assert await decide(
        store,
        bad_otp(client, public_id="vvvvvvvvvvvv", key_version=0),
        otp(client, 1, 1, public_id="uuuuuuuuuuuu", key_version=0),
        otp(client, 1, 1, public_id="tttttttttttt", key_version=1),
    ) == [Kind.CHARGED, Kind.STALE_KEY, Kind.MISSING_COUNTER]
    assert await keeper.counters() == {}
    assert await store.key("vvvvvvvvvvvv") is None


async def test_s12_an_otp_changes_no_other_key(keeper: Keeper, store: Store) -> None:
    client = await a_client(store)
    await the_keys(store, TOKEN, OTHER, "")
    before = await keeper.counters()
    await decide(store, otp(client, 4, 4), bad_otp(client, public_id=OTHER))
    after = await keeper.counters()
    assert after.pop(TOKEN) != before.pop(TOKEN)
    assert after == before


async def test_the_empty_public_id_is_a_key_like_any_other(store: Store) -> None:
    client = await a_client(store)
    await the_keys(store, "", TOKEN)
    assert await decide(store, otp(client, 1, 1, public_id=""), otp(client, 1, 1)) == [
        Kind.OK,
        Kind.OK,
    ]
    assert await decide(store, otp(client, 1, 1, public_id="", nonce="x")) == [Kind.REPLAYED_OTP]


async def test_s1_of_parallel_requests_with_one_otp_one_is_ok(keeper: Keeper, store: Store) -> None:
    client = await a_client(store)
    await the_keys(store)
    handles = [store, *[await keeper.open() for _ in range(3)]]
    for use in range(20):
        keeper.clock.pass_by(60)
        entries = [otp(client, 1, use, nonce=f"nonce{n % 3}", free=True) for n in range(16)]
        found = await asyncio.gather(
            *(decide(handles[n % 4], entry) for n, entry in enumerate(entries))
        )
        told = [kind for (kind,) in found]
        assert told.count(Kind.OK) == 1
        assert set(told) <= {Kind.OK, Kind.REPLAYED_OTP, Kind.REPLAYED_REQUEST}


async def test_a_disabled_key_is_stale_at_once_whatever_the_worker_knows(store: Store) -> None:
    client = await a_client(store)
    await the_keys(store)
    off = await store.set_key_active(TOKEN, active=False, act=ACT)
    assert off is not None
    assert (off.active, off.version) == (False, 2)
    assert await decide(store, otp(client, 1, 1, key_version=1)) == [Kind.STALE_KEY]
    assert await decide(store, otp(client, 1, 1, key_version=2)) == [Kind.STALE_KEY]
    assert await decide(store, bad_otp(client, key_version=2)) == [Kind.CHARGED]
    on = await store.set_key_active(TOKEN, active=True, act=ACT)
    assert on is not None
    assert await decide(store, otp(client, 1, 1, key_version=on.version)) == [Kind.OK]


async def test_a_repeated_request_for_a_disabled_key_is_no_replayed_request(store: Store) -> None:
    client = await a_client(store)
    await the_keys(store)
    await decide(store, otp(client, 1, 1))
    await store.set_key_active(TOKEN, active=False, act=ACT)
    assert await decide(store, otp(client, 1, 1, key_version=2)) == [Kind.STALE_KEY]


async def test_a_key_that_came_meanwhile_is_stale_for_who_does_not_know_it(store: Store) -> None:
    client = await a_client(store)
    await the_keys(store)
    assert await decide(store, bad_otp(client, key_version=0)) == [Kind.STALE_KEY]
    assert await decide(store, bad_otp(client, key_version=7)) == [Kind.STALE_KEY]


async def test_a_full_batch_is_decided_in_order(store: Store) -> None:
    client = await a_client(store)
    ids = [f"cccccccc{n:04d}" for n in range(MAX_BATCH)]
    await the_keys(store, *ids)
    batch = [otp(client, 1, 1, public_id=public_id, free=True) for public_id in reversed(ids)]
    assert set(await decide(store, *batch)) == {Kind.OK}
    assert set(await decide(store, *batch)) == {Kind.REPLAYED_REQUEST}
    with pytest.raises(ValueError, match="at most 512"):
        await store.spend_and_advance([*batch, bad_otp(client)])


async def test_an_empty_batch_is_nothing(store: Store) -> None:
    assert list(await store.spend_and_advance([])) == []


async def test_two_advances_of_one_key_in_a_batch_are_a_broken_promise(
    keeper: Keeper, store: Store
) -> None:
    client = await a_client(store)
    await the_keys(store)
    with pytest.raises(ValueError, match="at most one entry"):
        await store.spend_and_advance([otp(client, 1, 1), otp(client, 1, 2)])
    assert (await keeper.counters())[TOKEN].session == -1


async def test_a_key_may_be_charged_for_beside_its_advance(store: Store) -> None:
    client = await a_client(store)
    await the_keys(store)
    assert await decide(store, bad_otp(client), otp(client, 1, 1), bad_otp(client)) == [
        Kind.CHARGED,
        Kind.OK,
        Kind.CHARGED,
    ]


async def test_a_held_back_otp_is_refused_when_the_client_wants_that(
    keeper: Keeper, store: Store
) -> None:
    client = await a_client(store)
    await the_keys(store)
    await decide(store, otp(client, 1, 1, clock=1000))
    keeper.clock.pass_by(3600)
    # The key says a second has passed since the last OTP, the server an hour.
    held = otp(client, 1, 2, clock=1008, phishing_test=True)
    assert await decide(store, held) == [Kind.DELAYED_OTP]
    assert (await keeper.counters())[TOKEN].use == 1, "it was not accepted"
    in_time = otp(client, 1, 2, clock=1000 + 3600 * 8, phishing_test=True)
    assert await decide(store, in_time) == [Kind.OK]
    next_session = otp(client, 2, 0, clock=5, phishing_test=True)
    assert await decide(store, next_session) == [Kind.OK]


async def test_a_replay_stays_a_replay_in_the_phishing_test(keeper: Keeper, store: Store) -> None:
    client = await a_client(store)
    await the_keys(store)
    await decide(store, otp(client, 1, 5, clock=1000, nonce="one"))
    keeper.clock.pass_by(3600)
    replay = otp(client, 1, 5, clock=1000, nonce="two", phishing_test=True)
    assert await decide(store, replay) == [Kind.REPLAYED_OTP]


async def test_a_delayed_otp_pays(keeper: Keeper, store: Store) -> None:
    client = await a_client(store)
    await the_keys(store)
    await decide(store, otp(client, 1, 1, clock=0))
    keeper.clock.pass_by(3600)
    (outcome,) = await store.spend_and_advance([otp(client, 1, 2, clock=1, phishing_test=True)])
    assert (outcome.kind, outcome.remaining) == (Kind.DELAYED_OTP, BURST - 1)


async def test_the_clock_of_a_key_wraps_without_harm(store: Store) -> None:
    client = await a_client(store)
    await the_keys(store)
    await decide(store, otp(client, 1, 1, clock=0xFFFFFF))
    assert await decide(store, otp(client, 1, 2, clock=3, phishing_test=True)) == [Kind.OK]
    wide = otp(client, 1, 3)._replace(advance=Advance(1, 3, 0x1000000))
    with pytest.raises(ValueError, match="counters outside"):
        await store.spend_and_advance([wide])
