"""Minting at its desk: one delivery, a half-done key is void, whatever fails on the way (S22)."""

import asyncio
import logging
import secrets
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsm.keyfile import SealingKey
from hsm.provisioning.key_states import IllegalTransitionError, KeyState
from hsm.provisioning.release import open_release
from hsm.provisioning.release_states import (
    KeptRelease,
    ReleaseGoneError,
    ReleaseState,
    WrongStationError,
)
from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from hsm.vault import OtpKeyBinding, OtpKeySecrets, VaultUnavailableError
from server.accounts.text import InputError
from server.journal.acts import Act
from server.otp.keys import UnknownKeyError
from server.otp.ports import (
    Advance,
    KeyDetails,
    KeyRecord,
    NewKey,
    StoreUnavailableError,
    UnknownOutcomeError,
)
from server.provisioning.desk import MintingDesk, Order
from server.provisioning.ports import Draw, MintedKey, MintError, MintingBook
from tests.server.acts import CAUSE
from tests.server.memory_store import MemoryStore
from tests.server.storage.entries import POLICY, a_client, decide, otp, the_keys
from tests.server.storage.keepers import Keeper, MemoryKeeper, PostgresKeeper, SqliteKeeper, Store
from validation.otp import OtpFields
from validation.virtual import VirtualYubiKey

STATION = X25519PrivateKey.generate()
STATION_KEY = (
    STATION.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
)
PUBLIC_ID = "vvccccccccbd"
WANTED = Order("order-7", 7654321, "station-1", STATION_KEY, PUBLIC_ID, 10)
CANARY = b"CANARY-AES-KEY-1" + b"CANARY"


async def draw(octets: int) -> bytes:
    return secrets.token_bytes(octets)


async def canary(octets: int) -> bytes:
    return CANARY[:octets]


class FaultyBook:
    """Passes calls on to a store. fail_before, fail_after: of changes, around the commit."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.fail_before: Exception | None = None
        self.fail_after: Exception | None = None

    def mend(self) -> None:
        self.fail_before = self.fail_after = None

    async def add_minted(self, key: NewKey, kept: KeptRelease, *, act: Act) -> MintedKey:
        if self.fail_before:
            raise self.fail_before
        made = await self._store.add_minted(key, kept, act=act)
        if self.fail_after:
            raise self.fail_after
        return made

    async def change_minted(
        self, before: MintedKey, after: MintedKey, *, counters: Advance | None = None, act: Act
    ) -> bool:
        if self.fail_before:
            raise self.fail_before
        told = await self._store.change_minted(before, after, counters=counters, act=act)
        if self.fail_after:
            error, self.fail_after = self.fail_after, None  # the connection is made anew
            raise error
        return told

    async def minted_key(self, public_id: str) -> MintedKey | None:
        return await self._store.minted_key(public_id)

    async def store_time_us(self) -> int:
        return await self._store.store_time_us()

    async def key_details(self, public_id: str) -> KeyDetails | None:
        return await self._store.key_details(public_id)

    async def key(self, public_id: str) -> KeyRecord | None:
        return await self._store.key(public_id)


class Room(NamedTuple):
    """A desk over a store, with the faults between the two."""

    keeper: Keeper
    store: Store
    book: FaultyBook
    vault: SealedVault

    def desk(self, draw_: Draw = draw, book: MintingBook | None = None) -> MintingDesk:
        return MintingDesk(book or self.book, self.vault, draw_)

    async def actions(self) -> list[str]:
        return [entry.deed.act.action for entry in await self.store.journal_entries(0, 99)]

    async def state(self) -> KeyState:
        found = await self.store.minted_key(PUBLIC_ID)
        assert found is not None
        return found.state


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def room(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Room]:
    keeper: Keeper
    match request.param:
        case "memory":
            keeper = MemoryKeeper(POLICY)
        case "sqlite":
            keeper = SqliteKeeper(tmp_path / "keystead.db", POLICY)
        case _:
            keeper = PostgresKeeper(request.getfixturevalue("postgres_url"), POLICY)
    store = await keeper.open()
    vault = SealedVault(Rings.single(SealingKey.of(bytes(range(32)))))
    yield Room(keeper, store, FaultyBook(store), vault)
    await keeper.close()


async def take(desk: MintingDesk, *, order: str = "order-7", station: str = "station-1") -> bytes:
    return await desk.release(PUBLIC_ID, order=order, station=station, cause=CAUSE)


def programmed(message: bytes) -> VirtualYubiKey:
    """Return a YubiKey that the station programs from a release."""
    context, opened = open_release(
        message, STATION, order="order-7", serial=7654321, station="station-1", now_us=1
    )
    return VirtualYubiKey(context.public_id, opened.private_id, opened.aes_key)


async def test_a_key_is_minted_programmed_proved_and_accepted(room: Room) -> None:
    desk = room.desk()
    client = await a_client(room.store)
    minted = await desk.mint(WANTED, cause=CAUSE)
    yubikey = programmed(await take(desk))
    test_otp = yubikey.press(1)
    active = await desk.activate(PUBLIC_ID, test_otp, cause=CAUSE)
    assert (active.state, active.kept.state) == (KeyState.ACTIVE, ReleaseState.TAKEN)
    version = (await room.store.key(PUBLIC_ID) or pytest.fail("no key")).version
    seen = {"public_id": PUBLIC_ID, "key_version": version}
    assert str(await decide(room.store, otp(client, 1, 0, **seen))) == "[<Kind.REPLAYED_OTP: 1>]"  # type: ignore[arg-type]
    assert str(await decide(room.store, otp(client, 1, 1, **seen))) == "[<Kind.OK: 0>]"  # type: ignore[arg-type]
    assert await room.actions() == ["test.act", "key.mint", "key.release", "key.activate"]
    assert minted.kept.context.generation == 1


async def test_s22_a_release_is_handed_out_once(room: Room) -> None:
    desk = room.desk()
    await desk.mint(WANTED, cause=CAUSE)
    await take(desk)
    end = await room.store.journal_end()
    with pytest.raises(ReleaseGoneError, match="taken already"):
        await take(desk)
    assert await room.store.journal_end() == end


async def test_s22_of_many_who_fetch_at_once_one_gets_it(room: Room) -> None:
    await room.desk().mint(WANTED, cause=CAUSE)
    hands = [room.desk(book=await room.keeper.open()) for _ in range(4)]
    told = await asyncio.gather(*(take(hand) for hand in hands * 4), return_exceptions=True)
    (message,) = [one for one in told if isinstance(one, bytes)]
    assert all(isinstance(one, ReleaseGoneError) for one in told if one is not message)
    assert programmed(message).public_id == PUBLIC_ID


async def test_s22_after_its_expiry_nobody_gets_it_and_the_key_is_void(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = room.desk()
    minted = await desk.mint(WANTED, cause=CAUSE)
    expires_us = minted.kept.context.expires_us

    async def later() -> int:
        return expires_us

    monkeypatch.setattr(room.book, "store_time_us", later)
    with pytest.raises(ReleaseGoneError, match="expired"):
        await take(desk)
    kept = await room.store.minted_key(PUBLIC_ID)
    assert kept is not None
    assert (kept.kept.state, kept.kept.message) == (ReleaseState.EXPIRED, b"")
    assert kept.state is KeyState.DESTROYED
    assert await room.store.key(PUBLIC_ID) is None
    assert (await room.actions())[-1] == "key.expire"


async def test_s22_an_expiry_whose_commit_is_unknown_hands_nothing_out(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = room.desk()
    minted = await desk.mint(WANTED, cause=CAUSE)
    expires_us = minted.kept.context.expires_us

    async def later() -> int:
        return expires_us

    monkeypatch.setattr(room.book, "store_time_us", later)
    room.book.fail_after = UnknownOutcomeError("the commit failed")
    with pytest.raises(UnknownOutcomeError):
        await take(desk)
    assert await room.state() is KeyState.DESTROYED
    assert (await room.actions())[-1] == "key.expire"


async def test_s22_a_key_that_nobody_activated_in_time_is_void(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = room.desk()
    minted = await desk.mint(WANTED, cause=CAUSE)
    yubikey = programmed(await take(desk))
    expires_us = minted.kept.context.expires_us

    async def later() -> int:
        return expires_us

    monkeypatch.setattr(room.book, "store_time_us", later)
    with pytest.raises(MintError, match="not activated in time"):
        await desk.activate(PUBLIC_ID, yubikey.press(1), cause=CAUSE)
    assert await room.state() is KeyState.DESTROYED
    with pytest.raises(IllegalTransitionError):
        await desk.activate(PUBLIC_ID, yubikey.press(1), cause=CAUSE)


async def test_s22_a_taking_whose_commit_is_unknown_hands_nothing_out_and_voids(
    room: Room,
) -> None:
    desk = room.desk()
    await desk.mint(WANTED, cause=CAUSE)
    room.book.fail_after = UnknownOutcomeError("the commit failed")
    with pytest.raises(UnknownOutcomeError):
        await take(desk)
    assert await room.state() is KeyState.DESTROYED
    with pytest.raises(ReleaseGoneError, match="taken already"):
        await take(desk)
    assert (await room.actions())[-2:] == ["key.release", "key.void"]


async def test_s22_a_crash_between_the_commit_and_the_delivery_leaves_nothing_to_deliver(
    room: Room,
) -> None:
    """The process is gone after the commit: another one knows no more than the store does."""
    desk = room.desk()
    await desk.mint(WANTED, cause=CAUSE)
    lost = await take(desk)
    again = room.desk(book=await room.keeper.open())
    with pytest.raises(ReleaseGoneError):
        await take(again)
    kept = await room.store.minted_key(PUBLIC_ID)
    assert lost not in (kept.kept.message if kept else b"", b"")
    assert await room.state() is KeyState.PRE_ACTIVATION
    await again.void(PUBLIC_ID, cause=CAUSE)
    assert await room.store.key(PUBLIC_ID) is None


async def test_s22_when_the_store_fails_nothing_is_minted_and_nothing_handed_out(
    room: Room,
) -> None:
    desk = room.desk()
    room.book.fail_before = StoreUnavailableError("down")
    with pytest.raises(StoreUnavailableError):
        await desk.mint(WANTED, cause=CAUSE)
    assert await room.store.minted_key(PUBLIC_ID) is None
    room.book.mend()
    await desk.mint(WANTED, cause=CAUSE)
    room.book.fail_before = StoreUnavailableError("down")
    with pytest.raises(StoreUnavailableError):
        await take(desk)
    room.book.mend()
    assert programmed(await take(desk)).public_id == PUBLIC_ID


async def test_s22_a_minting_whose_commit_is_unknown_is_offered_to_nobody_twice(
    room: Room,
) -> None:
    desk = room.desk()
    room.book.fail_after = UnknownOutcomeError("the commit failed")
    with pytest.raises(UnknownOutcomeError):
        await desk.mint(WANTED, cause=CAUSE)
    room.book.mend()
    with pytest.raises(MintError, match="known already"):
        await desk.mint(WANTED, cause=CAUSE)
    assert (await desk.void(PUBLIC_ID, cause=CAUSE)).kept.state is ReleaseState.WITHDRAWN
    with pytest.raises(ReleaseGoneError):
        await take(desk)
    again = await desk.mint(WANTED, cause=CAUSE)
    assert again.kept.context.generation == 2


class DyingVault(SealedVault):
    """A vault whose HSM makes the record and is gone before the record is proved."""

    async def open_otp(self, _binding: OtpKeyBinding, _record: bytes, _octets: bytes) -> OtpFields:
        raise VaultUnavailableError("the HSM does not answer")


async def test_s22_an_hsm_that_fails_after_it_made_the_record_leaves_no_key(room: Room) -> None:
    vault = DyingVault(Rings.single(SealingKey.of(bytes(range(32)))))
    with pytest.raises(VaultUnavailableError):
        await MintingDesk(room.book, vault, draw).mint(WANTED, cause=CAUSE)
    assert await room.store.minted_key(PUBLIC_ID) is None
    assert await room.store.key(PUBLIC_ID) is None
    assert await room.actions() == []


async def test_another_station_or_order_gets_nothing_and_spoils_nothing(room: Room) -> None:
    desk = room.desk()
    await desk.mint(WANTED, cause=CAUSE)
    with pytest.raises(WrongStationError):
        await take(desk, station="station-2")
    with pytest.raises(ReleaseGoneError, match="not known"):
        await take(desk, order="order-8")
    assert await take(desk)


async def test_only_an_otp_of_the_minted_secret_activates(room: Room) -> None:
    desk = room.desk()
    await desk.mint(WANTED, cause=CAUSE)
    other = VirtualYubiKey(PUBLIC_ID, bytes(6), bytes(16))
    with pytest.raises(MintError, match="not handed out yet"):
        await desk.activate(PUBLIC_ID, other.press(1), cause=CAUSE)
    yubikey = programmed(await take(desk))
    with pytest.raises(MintError, match="another secret"):
        await desk.activate(PUBLIC_ID, other.press(1), cause=CAUSE)
    for wrong in ("", "garbage", VirtualYubiKey("cc", bytes(6), bytes(16)).press(1)):
        with pytest.raises(InputError):
            await desk.activate(PUBLIC_ID, wrong, cause=CAUSE)
    assert await room.state() is KeyState.PRE_ACTIVATION
    await desk.activate(PUBLIC_ID, yubikey.press(1), cause=CAUSE)
    with pytest.raises(IllegalTransitionError):
        await desk.activate(PUBLIC_ID, yubikey.press(1), cause=CAUSE)


async def test_an_active_key_is_not_voided_and_a_void_one_stays_void(room: Room) -> None:
    desk = room.desk()
    await desk.mint(WANTED, cause=CAUSE)
    yubikey = programmed(await take(desk))
    await desk.activate(PUBLIC_ID, yubikey.press(1), cause=CAUSE)
    with pytest.raises(MintError, match="active"):
        await desk.void(PUBLIC_ID, cause=CAUSE)
    other = await desk.mint(WANTED._replace(public_id=""), cause=CAUSE)
    await desk.void(other.public_id, cause=CAUSE)
    with pytest.raises(IllegalTransitionError):
        await desk.void(other.public_id, cause=CAUSE)


async def test_a_key_that_was_brought_in_is_no_minted_one(room: Room) -> None:
    await the_keys(room.store)
    desk = room.desk()
    with pytest.raises(MintError, match="not minted here"):
        await desk.show("cccccccccccb")
    with pytest.raises(UnknownKeyError):
        await desk.show(PUBLIC_ID)


def ed25519() -> str:
    key = Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


LOW_ORDER = (
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
    "-----END PUBLIC KEY-----\n"
)


@pytest.mark.parametrize(
    "wrong",
    [
        WANTED._replace(station_key=""),
        WANTED._replace(station_key="\udce9"),
        WANTED._replace(station_key=ed25519()),
        WANTED._replace(station_key=LOW_ORDER),
        WANTED._replace(public_id="vvc"),
        WANTED._replace(public_id="xyxy"),
        WANTED._replace(public_id="c" * 18),
        WANTED._replace(order=""),
        WANTED._replace(order="a\nb"),
        WANTED._replace(station="\N{LATIN SMALL LETTER E WITH ACUTE}" * 80),
        WANTED._replace(serial=-1),
        WANTED._replace(expires_minutes=0),
        WANTED._replace(expires_minutes=30 * 24 * 60 + 1),
    ],
)
async def test_an_order_of_the_wrong_form_makes_no_secret(wrong: Order) -> None:
    async def never(_: int) -> bytes:
        raise AssertionError("randomness was drawn")

    store = await MemoryKeeper(POLICY).open()
    vault = SealedVault(Rings.single(SealingKey.of(bytes(range(32)))))
    with pytest.raises(InputError):
        await MintingDesk(store, vault, never).mint(wrong, cause=CAUSE)
    assert isinstance(store, MemoryStore)
    assert (await store.journal_end()).sequence == 0


async def test_s22_the_secret_is_nowhere_but_in_the_two_sealed_forms(
    room: Room, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    desk = room.desk(canary)
    minted = await desk.mint(WANTED, cause=CAUSE)
    said = [repr(minted), str(await room.store.journal_entries(0, 9))]
    room.book.fail_after = UnknownOutcomeError("the commit failed")
    with pytest.raises(UnknownOutcomeError) as failed:
        await take(desk)
    said.append("".join(traceback.format_exception(failed.value)))
    another = await desk.mint(WANTED, cause=CAUSE)
    message = await take(desk)
    binding = OtpKeyBinding(PUBLIC_ID, another.kept.context.generation)
    stored = await room.store.key(PUBLIC_ID)
    assert stored is not None
    secret = OtpKeySecrets(CANARY[:16], CANARY[16:])
    assert await room.vault.reveal_otp_key(binding, stored.record) == secret
    said += [caplog.text, *capfd.readouterr(), str(await room.store.journal_entries(0, 99))]
    forms = ("CANARY", CANARY.hex(), CANARY[:16].hex(), CANARY[16:].hex())
    assert not any(form in one for one in said for form in forms)
    for octets in (stored.record, message, minted.kept.message):
        assert b"CANARY" not in octets
