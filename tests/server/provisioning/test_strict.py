"""S22 in strict mode: the HSM makes the AEAD, and what comes of it when the HSM is gone then."""

import pytest

from hsm.binding import Binder, BindingKey
from hsm.device.line import Device
from hsm.device.pool import DevicePool
from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.provisioning.release_states import ReleaseState
from hsm.rings import KeyRing, Rings
from hsm.sealed_vault import SealedVault
from hsm.seals import STRICT
from hsm.strict_vault import StrictVault
from hsm.vault import VaultError
from server.provisioning.desk import MintingDesk
from tests.server.acts import CAUSE
from tests.server.provisioning.test_desk import PUBLIC_ID, WANTED, draw, programmed, take
from tests.server.storage.entries import POLICY
from tests.server.storage.keepers import MemoryKeeper
from tests.strict_house import FACTORY, OLD, strict_house


class Noted:
    """Devices that seal, and what they made."""

    def __init__(self, sealing: DevicePool) -> None:
        self._sealing = sealing
        self.made: list[bytes] = []

    async def create_otp_aead(self, key: int, aes_key: bytes, private_id: bytes) -> bytes:
        self.made.append(await self._sealing.create_otp_aead(key, aes_key, private_id))
        return self.made[-1]


async def test_a_key_is_minted_inside_the_hsm_and_proved_there() -> None:
    store = await MemoryKeeper(POLICY).open()
    async with strict_house() as house:
        desk = MintingDesk(store, await house.vault(OLD, house.a_key()), draw)
        await desk.mint(WANTED, cause=CAUSE)
        stored = await store.key(PUBLIC_ID)
        assert stored is not None
        assert stored.record.startswith(STRICT)
        yubikey = programmed(await take(desk))
        active = await desk.activate(PUBLIC_ID, yubikey.press(1), cause=CAUSE)
        assert active.kept.state is ReleaseState.TAKEN


async def test_s22_an_aead_that_was_made_before_the_hsm_failed_is_no_key() -> None:
    """The device that seals works; the one that is to open the proof knows no such key."""
    store = await MemoryKeeper(POLICY).open()
    async with strict_house() as house:
        empty = Device("another device", EmulatorBackend(Emulator()).another, waits=False)
        key = house.a_key()
        async with (
            DevicePool([house.device], FACTORY) as sealing,
            DevicePool([empty], FACTORY) as opening,
        ):
            noted = Noted(sealing)
            vault = StrictVault(
                opening,
                noted,
                otp_key=OLD,
                binder=Binder([BindingKey.derive(key)]),
                sealed=SealedVault(Rings(KeyRing(None, ()), KeyRing(key, ()))),
            )
            desk = MintingDesk(store, vault, draw)
            with pytest.raises(VaultError):
                await desk.mint(WANTED, cause=CAUSE)
    assert [len(aead) for aead in noted.made] == [36]
    assert await store.minted_key(PUBLIC_ID) is None
    assert await store.key(PUBLIC_ID) is None
    assert (await store.journal_end()).sequence == 0
