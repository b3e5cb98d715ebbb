"""The book of seals: walks in order, exchanges what still stands, keeps retired keys out."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from server.journal.acts import Deed, Subject
from server.leases import Lease, LeaseLostError
from server.otp.ports import NewKey, StaleSealError
from server.resealing.ports import Kind, RecordsLeftError, SealedRecord, Swap
from tests.server.acts import ACT
from tests.server.storage.entries import POLICY
from tests.server.storage.keepers import Keeper, SqliteKeeper, Store

OLD, NEW, STRICT = b"\x01old!", b"\x01new!", b"\x02bind\x01\x01"
DEED = Deed(ACT, Subject("vault", "rotation"), None, {"retired": "old!"})
KEYS = [f"cccccccc{n:04d}".translate(str.maketrans("0123456789", "bcdefghijk")) for n in range(25)]


async def a_lease(store: Store) -> Lease:
    lease = await store.acquire_lease("resealing", "a test", 60_000_000)
    assert lease is not None
    return lease


async def keys_under(store: Store, seal: bytes, public_ids: Sequence[str]) -> None:
    keys = [NewKey(one, 1, seal + one.encode(), "") for one in public_ids]
    await store.add_keys(keys, act=ACT)


async def a_client_under(store: Store, seal: bytes) -> int:
    number = await store.reserve_client_id()
    await store.add_client(
        number, "c", seal + b"key 1", signed_only=False, phishing_test=False, act=ACT
    )
    return number


def resealed(old: SealedRecord, seal: bytes = NEW) -> Swap:
    return Swap(old, seal + old.record[5:])


async def test_records_are_counted_by_what_they_are_under(store: Store) -> None:
    await keys_under(store, OLD, KEYS[:3])
    await keys_under(store, NEW, KEYS[3:5])
    await keys_under(store, STRICT, KEYS[5:6])
    client = await a_client_under(store, OLD)
    await store.add_api_key(client, 2, NEW + b"key 2", act=ACT)
    assert await store.count_seals() == {
        Kind.OTP: {OLD: 3, NEW: 2, STRICT: 1},
        Kind.SECRETS: {OLD: 1, NEW: 1},
    }


async def test_an_empty_store_has_no_seals_and_nothing_to_walk_through(store: Store) -> None:
    assert await store.count_seals() == {Kind.OTP: {}, Kind.SECRETS: {}}
    for kind in Kind:
        assert await store.not_under(kind, NEW, None, 10) == []


async def test_a_walk_meets_every_other_record_once_in_order(store: Store) -> None:
    await keys_under(store, OLD, ["", *KEYS[:20]])
    await keys_under(store, NEW, KEYS[20:])
    met: list[SealedRecord] = []
    after = None
    while page := await store.not_under(Kind.OTP, NEW, after, 7):
        met += page
        after = page[-1]
    assert [one.place for one in met] == [("", 1), *((one, 1) for one in KEYS[:20])]
    assert met[1].record == OLD + KEYS[0].encode()
    under_strict = await store.not_under(Kind.OTP, STRICT, None, 100)
    assert len(under_strict) == 26


async def test_a_walk_meets_both_api_keys_of_a_client(store: Store) -> None:
    one, other = await a_client_under(store, OLD), await a_client_under(store, OLD)
    await store.add_api_key(one, 2, OLD + b"key 2", act=ACT)
    met: list[SealedRecord] = []
    after = None
    while page := await store.not_under(Kind.SECRETS, NEW, after, 1):
        met += page
        after = page[-1]
    assert [each.place for each in met] == [(one, 1), (one, 2), (other, 1)]


async def test_what_was_exchanged_is_what_verification_finds(store: Store) -> None:
    await keys_under(store, OLD, KEYS[:3])
    client = await a_client_under(store, OLD)
    lease = await a_lease(store)
    page = await store.not_under(Kind.OTP, NEW, None, 10)
    before = await store.key(KEYS[1])
    assert await store.swap(Kind.OTP, [resealed(one) for one in page], lease=lease) == 3
    after = await store.key(KEYS[1])
    assert before is not None
    assert after == before._replace(record=NEW + KEYS[1].encode()), "and nothing else changed"
    (api_key,) = await store.not_under(Kind.SECRETS, NEW, None, 10)
    assert await store.swap(Kind.SECRETS, [resealed(api_key)], lease=lease) == 1
    found = await store.client(client)
    assert found is not None
    assert [one.record for one in found.api_keys] == [NEW + b"key 1"]
    assert await store.not_under(Kind.SECRETS, NEW, None, 10) == []


async def test_a_record_that_changed_meanwhile_stays_as_it_is(store: Store) -> None:
    await keys_under(store, OLD, KEYS[:2])
    lease = await a_lease(store)
    first, second = await store.not_under(Kind.OTP, NEW, None, 10)
    assert await store.swap(Kind.OTP, [resealed(first)], lease=lease) == 1
    again = [Swap(first, b"\x01lateXX"), resealed(second)]
    assert await store.swap(Kind.OTP, again, lease=lease) == 1
    found = await store.key(KEYS[0])
    assert found is not None
    assert found.record == NEW + KEYS[0].encode()


async def test_another_generation_is_another_record(store: Store) -> None:
    await keys_under(store, OLD, KEYS[:1])
    lease = await a_lease(store)
    (one,) = await store.not_under(Kind.OTP, NEW, None, 10)
    other = SealedRecord((KEYS[0], 2), one.record)
    assert await store.swap(Kind.OTP, [resealed(other)], lease=lease) == 0


async def test_whoever_lost_the_lease_exchanges_and_retires_nothing(
    keeper: Keeper, store: Store
) -> None:
    await keys_under(store, OLD, KEYS[:1])
    lease = await a_lease(store)
    page = await store.not_under(Kind.OTP, NEW, None, 10)
    await keeper.hours_pass()
    with pytest.raises(LeaseLostError):
        await store.swap(Kind.OTP, [resealed(page[0])], lease=lease)
    with pytest.raises(LeaseLostError):
        await store.retire_seals(Kind.OTP, [b"\x01none"], lease=lease, deed=DEED)
    assert await store.count_seals() == {Kind.OTP: {OLD: 1}, Kind.SECRETS: {}}
    assert await store.retired_seals(Kind.OTP) == frozenset()


async def test_a_seal_with_records_under_it_is_not_retired(store: Store) -> None:
    await keys_under(store, OLD, KEYS[:3])
    lease = await a_lease(store)
    end = await store.journal_end()
    with pytest.raises(RecordsLeftError, match=r"3 records \(otp\)"):
        await store.retire_seals(Kind.OTP, [OLD], lease=lease, deed=DEED)
    assert await store.retired_seals(Kind.OTP) == frozenset()
    assert await store.journal_end() == end
    await keys_under(store, OLD, KEYS[3:4])


async def test_retiring_is_in_the_journal_and_done_once_more_does_no_harm(store: Store) -> None:
    lease = await a_lease(store)
    await store.retire_seals(Kind.OTP, [OLD], lease=lease, deed=DEED)
    (entry,) = await store.latest_entries(1)
    assert entry.deed == DEED
    await store.retire_seals(Kind.OTP, [OLD, STRICT], lease=lease, deed=DEED)
    assert await store.retired_seals(Kind.OTP) == {OLD, STRICT}
    assert await store.retired_seals(Kind.SECRETS) == frozenset(), "each kind for itself"


@pytest.mark.parametrize("count", [1, 300])
async def test_nobody_brings_a_key_under_a_retired_seal(store: Store, count: int) -> None:
    lease = await a_lease(store)
    await store.retire_seals(Kind.OTP, [OLD], lease=lease, deed=DEED)
    letters = "cbdefghijklnrtuv"
    ids = [f"{letters[n // 256]}{letters[n // 16 % 16]}{letters[n % 16]}" for n in range(count)]
    with pytest.raises(StaleSealError, match=r"data key 6f6c6421.*again"):
        await keys_under(store, OLD, ids)
    assert await store.count_seals() == {Kind.OTP: {}, Kind.SECRETS: {}}
    await keys_under(store, NEW, ids)
    await a_client_under(store, OLD)


async def test_nobody_brings_an_api_key_under_a_retired_seal(store: Store) -> None:
    client = await a_client_under(store, NEW)
    lease = await a_lease(store)
    await store.retire_seals(Kind.SECRETS, [OLD], lease=lease, deed=DEED)
    with pytest.raises(StaleSealError):
        await a_client_under(store, OLD)
    with pytest.raises(StaleSealError):
        await store.add_api_key(client, 2, OLD + b"key 2", act=ACT)
    found = await store.client_details(client)
    assert found is not None
    assert (found.version, len(found.api_keys)) == (1, 1)
    assert await store.add_api_key(client, 2, NEW + b"key 2", act=ACT)


async def test_of_a_retirement_and_those_who_bring_records_one_side_gives_way(
    keeper: Keeper, store: Store
) -> None:
    """Whatever the order, no record is under a seal that is retired."""
    other = await keeper.open()
    lease = await a_lease(store)
    for number, public_id in enumerate(KEYS[:12]):
        seal = b"\x01%04d" % number
        found = await asyncio.gather(
            keys_under(other, seal, [public_id]),
            store.retire_seals(Kind.OTP, [seal], lease=lease, deed=DEED),
            return_exceptions=True,
        )
        came, retired = (not isinstance(one, Exception) for one in found)
        assert came != retired, found
        kinds = {StaleSealError, RecordsLeftError}
        assert {type(one) for one in found if isinstance(one, Exception)} <= kinds
        counted = (await store.count_seals())[Kind.OTP].get(seal, 0)
        assert counted == came
        assert (seal in await store.retired_seals(Kind.OTP)) == retired


async def test_of_a_retirement_and_a_new_client_one_side_gives_way(
    keeper: Keeper, store: Store
) -> None:
    other = await keeper.open()
    lease = await a_lease(store)
    for number in range(12):
        seal = b"\x01%04d" % number
        found = await asyncio.gather(
            store.retire_seals(Kind.SECRETS, [seal], lease=lease, deed=DEED),
            a_client_under(other, seal),
            return_exceptions=True,
        )
        retired, came = (not isinstance(one, Exception) for one in found)
        assert came != retired, found
        counted = (await store.count_seals())[Kind.SECRETS].get(seal, 0)
        assert counted == came


async def test_a_retired_seal_is_kept_out_by_the_next_process_too(tmp_path: Path) -> None:
    first = SqliteKeeper(tmp_path / "keystead.db", POLICY)
    store = await first.open()
    lease = await a_lease(store)
    await store.retire_seals(Kind.OTP, [OLD], lease=lease, deed=DEED)
    await first.close()
    second = SqliteKeeper(tmp_path / "keystead.db", POLICY)
    with pytest.raises(StaleSealError):
        await keys_under(await second.open(), OLD, KEYS[:1])
    await second.close()
