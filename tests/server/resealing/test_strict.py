"""Into the HSM and within it: from data keys to AEADs, to another AEAD key, and no way back."""

from collections.abc import AsyncIterator

import pytest

from hsm.provisioning.rewrap import rewrapped
from hsm.rings import KeyRing, Rings
from hsm.sealed_vault import SealedVault
from hsm.seals import SEALED, STRICT
from hsm.strict_vault import StrictVault
from hsm.vault import OtpKeyBinding, OtpKeySecrets
from server.accounts.clients import ClientDesk
from server.leases import Lease
from server.otp.keys import KeyDesk
from server.otp.ksm import KsmKey
from server.resealing.ports import Kind, Resealer, Target
from server.resealing.vault_resealer import NoWayBackError, VaultResealer
from server.resealing.walk import Pace, Walk, Walked
from tests.server.acts import CAUSE
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.strict_house import NEW, OLD, StrictHouse, strict_house
from validation.gcra import UNLIMITED, Policy, Rate
from validation.modhex import encode
from validation.otp import parse_otp
from validation.virtual import VirtualYubiKey

POLICY = Policy(Rate.per_second(10, 50), UNLIMITED)
KEYS = 12


@pytest.fixture
async def house() -> AsyncIterator[StrictHouse]:
    async with strict_house() as made:
        yield made


def a_key(number: int) -> tuple[str, OtpKeySecrets]:
    octets = number.to_bytes(6, "big")
    return encode(octets), OtpKeySecrets(b"aes key of " + octets[1:], octets)


class Fleet:
    """A store that was filled in sealed mode."""

    def __init__(self, house: StrictHouse) -> None:
        self.store = MemoryStore(clock=StillClock(), default_policy=POLICY)
        self.otp, self.secrets = house.a_key(), house.a_key()
        self.sealed = SealedVault(Rings(KeyRing(self.otp), KeyRing(self.secrets)))

    async def fill(self) -> None:
        lines = [KsmKey(1, "1", *a_key(number)).format() for number in range(KEYS)]
        await KeyDesk(self.store, self.sealed).import_ksm("\n".join(lines), cause=CAUSE)
        office = ClientDesk(self.store, self.sealed, clock=StillClock(), default_policy=POLICY)
        await office.add("mail", cause=CAUSE)

    async def walk(self, resealer: Resealer) -> Walked:
        lease = await self.store.acquire_lease("walk", "a test", 1_000_000)
        assert isinstance(lease, Lease)
        walk = Walk(self.store, resealer, clock=StillClock(), pace=Pace(piece=5, share=1.0))
        walked = await walk.once(lease)
        await self.store.rest_lease(lease)
        return walked

    async def all_open(self, vault: StrictVault) -> None:
        for number in range(KEYS):
            public_id, (aes_key, private_id) = a_key(number)
            found = await self.store.key(public_id)
            assert found is not None
            otp = parse_otp(VirtualYubiKey(public_id, private_id, aes_key, use=3).press(1))
            binding = OtpKeyBinding(public_id, found.generation)
            assert (await vault.open_otp(binding, found.record, otp.ciphertext)).use == 3


def strict_target(secrets: bytes, object_id: int) -> Target:
    return Target(STRICT + secrets + object_id.to_bytes(2, "big"), SEALED + secrets)


async def test_from_data_keys_into_the_hsm_and_then_to_another_of_its_keys(
    house: StrictHouse,
) -> None:
    fleet = Fleet(house)
    await fleet.fill()
    first = await house.vault(OLD, fleet.secrets, otp=fleet.otp)
    await fleet.all_open(first)
    target = strict_target(fleet.secrets.key_id, OLD)
    assert await fleet.walk(VaultResealer(fleet.sealed, first, target)) == Walked(KEYS, KEYS, 0)
    # No OTP key opens on the host any more, with whatever data key there is.
    without = await house.vault(OLD, fleet.secrets)
    await fleet.all_open(without)
    assert await fleet.store.count_seals() == {
        Kind.OTP: {target.otp: KEYS},
        Kind.SECRETS: {target.secrets: 1},
    }
    renewed = house.a_key()
    second = await house.vault(NEW, renewed, fleet.secrets)
    rewrapper = house.rewrapper()

    async def rewrap(binding: OtpKeyBinding, record: bytes) -> bytes:
        return await rewrapped(second, rewrapper, binding, record, NEW)

    target = strict_target(renewed.key_id, NEW)
    walked = await fleet.walk(VaultResealer(second, second, target, rewrap=rewrap))
    assert walked == Walked(KEYS + 1, KEYS + 1, 0)
    house.delete(OLD)
    await fleet.all_open(await house.vault(NEW, renewed))


async def test_out_of_the_hsm_there_is_no_way(house: StrictHouse) -> None:
    fleet = Fleet(house)
    await fleet.fill()
    vault = await house.vault(OLD, fleet.secrets, otp=fleet.otp)
    strict = strict_target(fleet.secrets.key_id, OLD)
    await fleet.walk(VaultResealer(fleet.sealed, vault, strict))
    back = Target(SEALED + fleet.otp.key_id, SEALED + fleet.secrets.key_id)
    with pytest.raises(NoWayBackError, match="gives none of them away"):
        await fleet.walk(VaultResealer(vault, fleet.sealed, back))
    await fleet.all_open(vault)
