"""Walks through every store: all records come under the new key, whatever happens on the way."""

import asyncio
import logging
from base64 import b64decode
from collections.abc import Collection, Mapping, Sequence

import pytest
from structlog.testing import capture_logs

from hsm.keyfile import SealingKey
from hsm.rings import KeyRing, Rings
from hsm.sealed_vault import SealedVault
from hsm.seals import seal_of
from hsm.vault import OtpKeyBinding, OtpKeySecrets, RecordRefusedError, VaultUnavailableError
from server.accounts.clients import ClientDesk
from server.journal.acts import Deed
from server.leases import Lease
from server.otp.client_cache import api_key_label
from server.otp.keys import KeyDesk
from server.otp.ksm import KsmKey
from server.otp.ports import UnknownOutcomeError
from server.resealing.ports import Kind, ResealingBook, SealedRecord, Swap, Target
from server.resealing.vault_resealer import VaultResealer, sealing_target
from server.resealing.walk import Pace, Walk, Walked
from tests.server.acts import CAUSE
from tests.server.still_clock import StillClock
from tests.server.storage.entries import POLICY
from tests.server.storage.keepers import Keeper, Store
from validation.modhex import encode
from validation.otp import parse_otp
from validation.virtual import VirtualYubiKey

OLD, NEW = SealingKey.of(bytes(range(32))), SealingKey.of(bytes(range(1, 33)))
OLD_VAULT, NEW_VAULT = SealedVault(Rings.single(OLD)), SealedVault(Rings.single(NEW))
BOTH = SealedVault(Rings(KeyRing(NEW, (OLD,)), KeyRing(NEW, (OLD,))))
TARGET = Target(b"\x01" + NEW.key_id, b"\x01" + NEW.key_id)
CANARY = b"CANARY-AES"
FAST = Pace(piece=50, share=1.0)


def secrets_of(number: int) -> OtpKeySecrets:
    return OtpKeySecrets(CANARY + number.to_bytes(6, "big"), number.to_bytes(6, "big"))


def public_id_of(number: int) -> str:
    return "cccc" + encode(number.to_bytes(4, "big"))


async def filled(store: Store, keys: int, clients: int = 3) -> dict[int, bytes]:
    """Fill a store under the old key; return the clients' API keys."""
    desk = KeyDesk(store, OLD_VAULT)
    lines = [KsmKey(1, "1", public_id_of(n), secrets_of(n)).format() for n in range(keys)]
    await desk.import_ksm("\n".join(lines), cause=CAUSE)
    office = ClientDesk(store, OLD_VAULT, clock=StillClock(), default_policy=POLICY)
    issued = [await office.add(f"client {n}", cause=CAUSE) for n in range(clients)]
    return {one.client.details.client_id: b64decode(one.api_key) for one in issued}


async def a_lease(store: Store, holder: str = "a test") -> Lease:
    lease = await store.acquire_lease(f"resealing {holder}", holder, 60_000_000)
    assert lease is not None
    return lease


def a_walk(book: ResealingBook, pace: Pace = FAST) -> Walk:
    return Walk(book, VaultResealer(OLD_VAULT, NEW_VAULT, TARGET), clock=StillClock(), pace=pace)


async def all_open(
    store: Store, vault: SealedVault, keys: Collection[int], api_keys: Mapping[int, bytes]
) -> None:
    for number in keys:
        public_id, (aes_key, private_id) = public_id_of(number), secrets_of(number)
        yubikey = VirtualYubiKey(public_id, private_id, aes_key, session=number % 99, use=7)
        found = await store.key(public_id)
        assert found is not None
        otp = parse_otp(yubikey.press(1))
        binding = OtpKeyBinding(public_id, found.generation)
        fields = await vault.open_otp(binding, found.record, otp.ciphertext)
        assert (fields.session, fields.use) == (number % 99, 7)
    for client_id, api_key in api_keys.items():
        client = await store.client(client_id)
        assert client is not None
        for sealed in client.api_keys:
            label = api_key_label(client_id, sealed.key_id)
            assert await vault.open_secret(label, sealed.record) == api_key


async def test_everything_comes_under_the_new_key_and_opens(store: Store) -> None:
    api_keys = await filled(store, 260)
    await all_open(store, OLD_VAULT, range(260), api_keys)
    assert await a_walk(store).once(await a_lease(store)) == Walked(263, 263, 0)
    assert await store.count_seals() == {
        Kind.OTP: {TARGET.otp: 260},
        Kind.SECRETS: {TARGET.secrets: 3},
    }
    await all_open(store, NEW_VAULT, range(260), api_keys)


async def test_walking_again_finds_nothing_and_changes_nothing(store: Store) -> None:
    await filled(store, 3)
    await a_walk(store).once(await a_lease(store))
    before = [await store.key(public_id_of(number)) for number in range(3)]
    assert await a_walk(store).once(await a_lease(store, "again")) == Walked(0, 0, 0)
    assert [await store.key(public_id_of(number)) for number in range(3)] == before


class StruckError(Exception):
    """The process is gone."""


class Fragile:
    """A book that is struck at one of the calls, before it or after it took effect."""

    def __init__(self, store: Store, strike_at: int) -> None:
        self._store = store
        self._left = strike_at

    async def count_seals(self) -> Mapping[Kind, Mapping[bytes, int]]:
        return await self._store.count_seals()

    async def not_under(
        self, kind: Kind, seal: bytes, after: SealedRecord | None, limit: int
    ) -> Sequence[SealedRecord]:
        self._tick()
        return await self._store.not_under(kind, seal, after, limit)

    async def swap(self, kind: Kind, swaps: Sequence[Swap], *, lease: Lease) -> int:
        self._tick()
        done = await self._store.swap(kind, swaps, lease=lease)
        self._tick()
        return done

    async def retire_seals(
        self, kind: Kind, seals: Collection[bytes], *, lease: Lease, deed: Deed
    ) -> None:
        await self._store.retire_seals(kind, seals, lease=lease, deed=deed)

    async def retired_seals(self, kind: Kind) -> frozenset[bytes]:
        return await self._store.retired_seals(kind)

    def _tick(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise StruckError


async def test_struck_at_any_step_nothing_is_lost_and_the_next_walk_goes_on(store: Store) -> None:
    api_keys = await filled(store, 8)
    lease = await a_lease(store)
    struck = 0
    done = Walked()
    while True:
        try:
            # One step further each time, through what the walks before have left.
            done = await a_walk(Fragile(store, 1 + struck), Pace(piece=2, share=1.0)).once(lease)
            break
        except StruckError:
            struck += 1
            await all_open(store, BOTH, range(8), api_keys)
    assert struck > 5
    assert done.refused == 0
    await all_open(store, NEW_VAULT, range(8), api_keys)
    assert TARGET.otp in (await store.count_seals())[Kind.OTP]


async def test_ten_thousand_records_come_under_the_new_key(store: Store) -> None:
    api_keys = await filled(store, 10_000, clients=2)
    walked = await a_walk(store, Pace(piece=500, share=1.0)).once(await a_lease(store))
    assert walked == Walked(10_002, 10_002, 0)
    assert (await store.count_seals())[Kind.OTP] == {TARGET.otp: 10_000}
    await all_open(store, NEW_VAULT, range(0, 10_000, 97), api_keys)


async def test_two_walks_at_once_do_no_harm(keeper: Keeper, store: Store) -> None:
    api_keys = await filled(store, 200)
    other = await keeper.open()
    one, two = await a_lease(store, "one"), await a_lease(store, "two")
    walks = await asyncio.gather(a_walk(store).once(one), a_walk(other).once(two))
    assert sum(walked.swapped for walked in walks) == 203
    await all_open(store, NEW_VAULT, range(200), api_keys)


class Meddled(Fragile):
    """A book in which somebody changes a record between its being read and its exchange."""

    def __init__(self, store: Store, meddle: SealedRecord, lease: Lease) -> None:
        super().__init__(store, 0)
        self._meddle = meddle
        self._lease = lease

    async def swap(self, kind: Kind, swaps: Sequence[Swap], *, lease: Lease) -> int:
        old = next((one.old for one in swaps if one.old.place == self._meddle.place), None)
        if old is not None:
            meddling = Swap(old, self._meddle.record)
            assert await self._store.swap(kind, [meddling], lease=self._lease) == 1
        return await super().swap(kind, swaps, lease=lease)


async def test_a_record_that_changes_meanwhile_is_left_to_the_next_walk(store: Store) -> None:
    api_keys = await filled(store, 5)
    changed = OtpKeySecrets(b"another aes key!", b"secret")
    record = await OLD_VAULT.seal_otp_key(OtpKeyBinding(public_id_of(2), 1), changed)
    meddling = SealedRecord((public_id_of(2), 1), record)
    book = Meddled(store, meddling, await a_lease(store, "somebody"))
    assert await a_walk(book).once(await a_lease(store)) == Walked(8, 7, 0)
    found = await store.key(public_id_of(2))
    assert found is not None
    assert found.record == record, "what somebody wrote was not overwritten"
    assert await a_walk(store).once(await a_lease(store, "next")) == Walked(1, 1, 0)
    await all_open(store, NEW_VAULT, [0, 1, 3, 4], api_keys)


async def test_a_record_that_does_not_open_stays_and_keeps_the_old_key(store: Store) -> None:
    api_keys = await filled(store, 4)
    lease = await a_lease(store)
    page = await store.not_under(Kind.OTP, TARGET.otp, None, 10)
    # What an attacker with the database does: his own record in somebody's row.
    by_place = {one.place: one for one in page}
    victim, attacker = by_place[public_id_of(1), 1], by_place[public_id_of(0), 1]
    assert await store.swap(Kind.OTP, [Swap(victim, attacker.record)], lease=lease) == 1
    with capture_logs() as logged:
        assert await a_walk(store).once(lease) == Walked(7, 6, 1)
    (alarm,) = logged
    assert (alarm["event"], alarm["log_level"]) == ("record_not_resealed", "error")
    assert alarm["place"] == f"{public_id_of(1)}/1"
    found = await store.key(public_id_of(1))
    assert found is not None
    assert found.record == attacker.record
    assert (await store.count_seals())[Kind.OTP] == {TARGET.otp: 3, seal_of(found.record): 1}
    await all_open(store, NEW_VAULT, [0, 2, 3], api_keys)


class Lying(SealedVault):
    """A vault that seals something else than it was given."""

    async def seal_otp_key(self, binding: OtpKeyBinding, secrets: OtpKeySecrets) -> bytes:
        return await super().seal_otp_key(binding, secrets._replace(aes_key=bytes(16)))

    async def seal_secret(self, label: str, secret: bytes) -> bytes:
        return await super().seal_secret(label, bytes(len(secret)))


@pytest.mark.parametrize("keys", [3, 0], ids=["otp", "secrets"])
async def test_what_was_not_proved_is_not_written(store: Store, keys: int) -> None:
    api_keys = await filled(store, keys)
    resealer = VaultResealer(OLD_VAULT, Lying(Rings.single(NEW)), TARGET)
    with pytest.raises(Exception, match="just sealed"):
        await Walk(store, resealer, clock=StillClock()).once(await a_lease(store))
    await all_open(store, OLD_VAULT, range(keys), api_keys)
    assert TARGET.otp not in (await store.count_seals())[Kind.OTP]


async def test_a_vault_that_seals_under_another_key_than_agreed_writes_nothing(
    store: Store,
) -> None:
    await filled(store, 1)
    elsewhere = Target(b"\x01else", b"\x01else")
    resealer = VaultResealer(OLD_VAULT, NEW_VAULT, elsewhere)
    with pytest.raises(Exception, match="another key than the rotation's target"):
        await Walk(store, resealer, clock=StillClock()).once(await a_lease(store))
    assert (await store.count_seals())[Kind.OTP] == {seal_of(b"\x01" + OLD.key_id): 1}


class Away(SealedVault):
    """A vault that does not answer, but for the first few times after each rest."""

    def __init__(self, rings: Rings, answers: int) -> None:
        super().__init__(rings)
        self._answers = answers
        self.asked = 0

    async def seal_otp_key(self, binding: OtpKeyBinding, secrets: OtpKeySecrets) -> bytes:
        self.asked += 1
        if self._answers == 0 or self.asked % (self._answers + 1) == 0:
            raise VaultUnavailableError("the HSM does not answer")
        return await super().seal_otp_key(binding, secrets)


IMPATIENT = Pace(piece=50, share=1.0, outage_s=0.01, patience_s=0.02)


async def test_an_outage_that_lasts_ends_the_walk_and_is_no_refusal(store: Store) -> None:
    api_keys = await filled(store, 2)
    vault = Away(Rings.single(NEW), 0)
    walk = Walk(store, VaultResealer(OLD_VAULT, vault, TARGET), clock=StillClock(), pace=IMPATIENT)
    with pytest.raises(VaultUnavailableError):
        await walk.once(await a_lease(store))
    assert vault.asked == 3, "the first time, and twice after a rest"
    await all_open(store, OLD_VAULT, range(2), api_keys)


async def test_a_vault_that_does_a_few_at_a_time_is_waited_for(store: Store) -> None:
    api_keys = await filled(store, 20)
    resealer = VaultResealer(OLD_VAULT, Away(Rings.single(NEW), 3), TARGET)
    walk = Walk(store, resealer, clock=StillClock(), pace=IMPATIENT)
    assert await walk.once(await a_lease(store)) == Walked(23, 23, 0)
    await all_open(store, NEW_VAULT, range(20), api_keys)


class Unconfirmed(Fragile):
    """A book whose commits happen and are not confirmed."""

    async def swap(self, kind: Kind, swaps: Sequence[Swap], *, lease: Lease) -> int:
        await super().swap(kind, swaps, lease=lease)
        raise UnknownOutcomeError("the connection was lost")


async def test_an_unconfirmed_commit_loses_nothing(store: Store) -> None:
    api_keys = await filled(store, 3)
    with pytest.raises(UnknownOutcomeError):
        await a_walk(Unconfirmed(store, 0)).once(await a_lease(store))
    await all_open(store, BOTH, range(3), api_keys)
    assert await a_walk(store).once(await a_lease(store, "next")) == Walked(3, 3, 0)


async def test_secrets_show_nowhere(
    store: Store, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    await filled(store, 3)
    lease = await a_lease(store)
    page = await store.not_under(Kind.OTP, TARGET.otp, None, 10)
    await store.swap(Kind.OTP, [Swap(page[1], page[0].record)], lease=lease)
    with capture_logs() as logged:
        await a_walk(store).once(lease)
    said = [repr(logged), caplog.text, *capfd.readouterr(), repr(page), repr(a_walk(store))]
    try:
        await NEW_VAULT.reveal_otp_key(OtpKeyBinding(public_id_of(0), 1), page[1].record)
    except RecordRefusedError as refused:
        said.append(str(refused))
    assert len(said) == 7
    assert not any("CANARY" in one or CANARY.hex() in one for one in said)


async def test_the_target_of_a_vault_is_what_it_seals_under() -> None:
    assert await sealing_target(NEW_VAULT) == TARGET
    assert await sealing_target(BOTH) == TARGET


def test_a_walk_rests_four_times_as_long_as_it_works() -> None:
    assert Pace(share=0.2).pause_s(0.01) == pytest.approx(0.04)
    assert Pace(share=1.0).pause_s(0.01) == 0
