"""The key room: data keys come into being, change, and reach everybody before anybody seals."""

from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from hsm import credentials
from hsm.credentials import HsmSecret
from hsm.data_keys import DataKeyError, KeyState
from hsm.device.errors import DeviceUnavailableError
from hsm.keyfile import SealingKey
from hsm.rings import Purpose, Rings
from hsm.sealed_vault import SealedVault
from hsm.vault import OtpKeyBinding, OtpKeySecrets, RecordRefusedError, VaultError
from server.datadir import DataDirectory
from server.handed_keys import HandedKeys
from server.hsm_host import HsmHost
from server.journal.acts import Deed, Subject
from server.key_room import KeyRoom
from server.programs.hsm_setup import set_up_hsm
from server.settings.keeping import Hsm
from server.storage.identity import DATA_KEYS, IN_HSM, SEALING_KEY_ID
from tests.server.acts import ACT, CAUSE
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.storage.entries import POLICY

BINDING = OtpKeyBinding("cccccccccccb", 1)
SECRETS = OtpKeySecrets(b"an aes key of 16", b"secret")


@pytest.fixture
def data(tmp_path: Path) -> DataDirectory:
    """Provide a directory with an emulated HSM in it, whose log has room."""
    made = DataDirectory(tmp_path / "var")
    made.create()
    set_up_hsm(made, Hsm(), None)
    return made


@pytest.fixture
def hsm(data: DataDirectory) -> Iterator[HsmHost]:
    host = HsmHost.open(Hsm(), data)
    yield host
    host.close()


@pytest.fixture
def ceremony(data: DataDirectory) -> HsmSecret:
    return credentials.load(data.ceremony_secret_file, "ceremony")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(clock=StillClock(), default_policy=POLICY)


def a_room(store: MemoryStore, hsm: HsmHost | None, file_key: SealingKey | None = None) -> KeyRoom:
    return KeyRoom(store, hsm, file_key, opened=16)


async def test_first_data_keys_are_made_once_and_open_again(
    store: MemoryStore, hsm: HsmHost, ceremony: HsmSecret
) -> None:
    room = a_room(store, hsm)
    assert await room.make_first(ceremony, cause=CAUSE)
    assert not await room.make_first(ceremony, cause=CAUSE)
    assert await store.meta(SEALING_KEY_ID) == IN_HSM
    record = await room.vault.seal_otp_key(BINDING, SECRETS)
    secret = await room.vault.seal_secret("label", b"api key")
    again = a_room(store, hsm)
    await again.open()
    assert await again.vault.reveal_otp_key(BINDING, record) == SECRETS
    assert await again.vault.open_secret("label", secret) == b"api key"
    assert again.active_key == secret[1:5].hex()
    stored = await store.meta(DATA_KEYS)
    assert stored is not None
    for ring in again.rings:
        for key in ring.keys:
            assert key.key.hex() not in stored


async def test_a_new_key_is_with_everybody_before_anybody_seals_with_it(
    store: MemoryStore, hsm: HsmHost, ceremony: HsmSecret
) -> None:
    room = a_room(store, hsm)
    await room.make_first(ceremony, cause=CAUSE)
    old = await room.vault.seal_otp_key(BINDING, SECRETS)
    worker = SealedVault(room.rings)
    sealed_meanwhile: list[bytes] = []

    async def hand(keys: HandedKeys) -> None:
        sealed_meanwhile.append(await room.vault.seal_otp_key(BINDING, SECRETS))
        worker.take(keys.rings)

    room.listen(hand)
    key_id = await room.prepare(Purpose.OTP, ceremony, cause=CAUSE)
    await room.activate(key_id, cause=CAUSE)
    new = await room.vault.seal_otp_key(BINDING, SECRETS)
    assert new[1:5] == key_id
    # What was sealed while the key was handed out is still under the one that all had.
    assert {record[1:5] for record in sealed_meanwhile} == {old[1:5]}
    for record in (old, new):
        assert await worker.reveal_otp_key(BINDING, record) == SECRETS
    await room.destroy(old[1:5], cause=CAUSE)
    for vault in (worker, room.vault):
        with pytest.raises(RecordRefusedError):
            await vault.reveal_otp_key(BINDING, old)
    keys = room.data_keys
    assert keys is not None
    assert keys.find(old[1:5]).state is KeyState.DESTROYED
    with pytest.raises(DataKeyError, match="cannot become"):
        await room.activate(old[1:5], cause=CAUSE)


async def test_keys_that_not_everybody_got_are_handed_out_again(
    store: MemoryStore, hsm: HsmHost, ceremony: HsmSecret
) -> None:
    here, there = a_room(store, hsm), a_room(store, hsm)
    await here.make_first(ceremony, cause=CAUSE)
    await there.open()
    told: list[HandedKeys] = []

    async def hand(keys: HandedKeys) -> None:
        told.append(keys)
        if len(told) == 1:
            raise ConnectionError

    there.listen(hand)
    await here.activate(await here.prepare(Purpose.SECRETS, ceremony, cause=CAUSE), cause=CAUSE)
    secret = await here.vault.seal_secret("label", b"api key")
    with pytest.raises(ConnectionError):
        await there.look()
    await there.look()
    assert [keys.rings for keys in told] == [here.rings] * 2
    assert await there.vault.open_secret("label", secret) == b"api key"


async def test_what_the_store_says_of_a_purpose_is_held_against_the_wrapped_key(
    store: MemoryStore, hsm: HsmHost, ceremony: HsmSecret
) -> None:
    room = a_room(store, hsm)
    await room.make_first(ceremony, cause=CAUSE)
    before = room.rings
    text = await store.meta(DATA_KEYS)
    assert text is not None
    swapped = text.replace('"otp"', '"?"').replace('"secrets"', '"otp"').replace("?", "secrets")
    deed = Deed(ACT, Subject("data_keys", ""), None, None)
    assert await store.swap_meta(DATA_KEYS, text, swapped, deed)
    with pytest.raises(DataKeyError, match="not the key that it says"):
        await room.look()
    assert room.rings == before


async def test_what_another_machine_changed_is_taken_up(
    store: MemoryStore, hsm: HsmHost, ceremony: HsmSecret
) -> None:
    here, there = a_room(store, hsm), a_room(store, hsm)
    await here.make_first(ceremony, cause=CAUSE)
    await there.open()
    await here.activate(await here.prepare(Purpose.SECRETS, ceremony, cause=CAUSE), cause=CAUSE)
    secret = await here.vault.seal_secret("label", b"api key")
    with pytest.raises(RecordRefusedError):
        await there.vault.open_secret("label", secret)
    await there.look()
    assert await there.vault.open_secret("label", secret) == b"api key"
    assert there.rings == here.rings


async def test_beside_data_keys_a_key_file_opens_and_seals_no_more(
    store: MemoryStore, hsm: HsmHost, ceremony: HsmSecret
) -> None:
    file_key = SealingKey.of(bytes(32))
    old = await SealedVault(Rings.single(file_key)).seal_otp_key(BINDING, SECRETS)
    room = a_room(store, hsm, file_key)
    assert (await room.vault.seal_otp_key(BINDING, SECRETS))[1:5] == file_key.key_id
    await room.make_first(ceremony, cause=CAUSE)
    assert (await room.vault.seal_otp_key(BINDING, SECRETS))[1:5] != file_key.key_id
    assert await room.vault.reveal_otp_key(BINDING, old) == SECRETS


async def test_without_an_hsm_there_are_no_data_keys(
    store: MemoryStore, ceremony: HsmSecret
) -> None:
    room = a_room(store, None, SealingKey.of(bytes(32)))
    with pytest.raises(DataKeyError, match="keystead vault migrate"):
        await room.make_first(ceremony, cause=CAUSE)
    with pytest.raises(DataKeyError, match="has no data keys"):
        await room.retire(b"abcd", cause=CAUSE)


async def test_a_strict_room_seals_inside_the_hsm_and_gives_nothing_away(
    store: MemoryStore, hsm: HsmHost, ceremony: HsmSecret
) -> None:
    sealed = a_room(store, hsm)
    await sealed.make_first(ceremony, cause=CAUSE)
    before = await sealed.vault.seal_otp_key(BINDING, SECRETS)
    room = KeyRoom(store, hsm, None, opened=16, strict=True)
    await room.open()
    record = await room.vault.seal_otp_key(BINDING, SECRETS)
    assert record[:1] == b"\x02"
    with pytest.raises(VaultError, match="gives no OTP key away"):
        await room.vault.reveal_otp_key(BINDING, record)
    assert await room.vault.reveal_otp_key(BINDING, before) == SECRETS
    handed = room.hand(seals=True)
    assert handed.strict is not None
    assert handed.strict.addresses[0].startswith("http+unix:///")
    assert room.hand().strict == handed.strict._replace(provisioner=None)
    # Binding keys follow the ring of secrets.
    await room.activate(await room.prepare(Purpose.SECRETS, ceremony, cause=CAUSE), cause=CAUSE)
    newer = await room.vault.seal_otp_key(BINDING, SECRETS)
    assert newer[1:5] != record[1:5]
    await room.close()


async def test_handed_keys_open_what_was_sealed(
    store: MemoryStore, hsm: HsmHost, ceremony: HsmSecret
) -> None:
    room = a_room(store, hsm)
    await room.make_first(ceremony, cause=CAUSE)
    record = await room.vault.seal_otp_key(BINDING, SECRETS)
    async with AsyncExitStack() as stack:
        held = await HandedKeys.decode(room.hand().encode()).open(stack, opened=1)
        assert await held.vault.reveal_otp_key(BINDING, record) == SECRETS


def test_a_copy_of_the_emulator_opens_and_stays_as_it_is(data: DataDirectory) -> None:
    before = data.emulator_file.read_bytes()
    host = HsmHost.of_copies(Hsm(), data.hsm_secret_file.read_bytes(), before)
    host.inspect(production=False)
    assert [one.kind for one in host.identified] == ["emulator"]
    with pytest.raises(VaultError, match="not proven"):
        host.inspect(production=True)
    assert data.emulator_file.read_bytes() == before
    with pytest.raises(VaultError, match="not at hand"):
        HsmHost.of_copies(Hsm(), data.hsm_secret_file.read_bytes(), None)
    with pytest.raises(VaultError, match="begins with 'gopher'"):
        HsmHost.of_copies(
            Hsm.model_construct(connectors=("gopher://x",)), data.hsm_secret_file.read_bytes(), None
        )


async def test_a_copy_of_an_emulator_whose_log_was_full_opens(
    store: MemoryStore, data: DataDirectory, hsm: HsmHost, ceremony: HsmSecret
) -> None:
    room = a_room(store, hsm)
    await room.make_first(ceremony, cause=CAUSE)
    assert room.data_keys is not None
    with suppress(DeviceUnavailableError):
        for _ in range(62):
            hsm.unwrap(room.data_keys)
    with pytest.raises(DeviceUnavailableError, match="full log"):
        hsm.unwrap(room.data_keys)
    before = data.emulator_file.read_bytes()
    copy = HsmHost.of_copies(Hsm(), data.hsm_secret_file.read_bytes(), before)
    assert copy.unwrap(room.data_keys) == room.rings
    # The log of the device itself is for its archive.
    assert data.emulator_file.read_bytes() == before


def test_setting_up_twice_changes_nothing(data: DataDirectory) -> None:
    files = (data.hsm_secret_file, data.emulator_file, data.transcript_file)
    before = [file.read_bytes() for file in files]
    set_up_hsm(data, Hsm(), None)
    assert [file.read_bytes() for file in files] == before
