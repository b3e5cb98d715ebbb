"""The keepers of the vault seam: each is held to `test_vault_contract.py`."""

import os
from collections.abc import Callable, Iterator

import pytest

from hsm.binding import Binder, BindingKey
from hsm.device.pool import DevicePool
from hsm.keyfile import SealingKey
from hsm.rings import KeyRing, Rings
from hsm.sealed_vault import SealedVault
from hsm.strict_vault import StrictVault
from hsm.vault import Vault
from tests.hsm.device.provisioned import OTP_KEY, PROVISIONER, VALIDATOR, an_emulator, here


def a_key() -> SealingKey:
    return SealingKey.of(os.urandom(32))


def a_file_vault() -> Iterator[Vault]:
    yield SealedVault(Rings.single(a_key()))


def a_sealed_vault() -> Iterator[Vault]:
    yield SealedVault(Rings(KeyRing(a_key(), (a_key(),)), KeyRing(a_key(), (a_key(),))))


def a_strict_vault() -> Iterator[Vault]:
    """Give a vault over a device of its own, in this process."""
    device, key = here(an_emulator()), a_key()
    yield StrictVault(
        DevicePool([device], VALIDATOR),
        DevicePool([device], PROVISIONER),
        otp_key=OTP_KEY,
        binder=Binder([BindingKey.derive(key)]),
        sealed=SealedVault(Rings.single(key)),
    )


# A new keeper is added here, and every promise of the seam is tested against it. What a keeper
# needs (a device, an emulator) is started before its `yield` and ended after it.
KEEPERS: dict[str, Callable[[], Iterator[Vault]]] = {
    "file": a_file_vault,
    "sealed": a_sealed_vault,
    "strict": a_strict_vault,
}


@pytest.fixture(params=sorted(KEEPERS))
def vault(request: pytest.FixtureRequest) -> Iterator[Vault]:
    """Provide each keeper in turn, with a sealing key of its own."""
    yield from KEEPERS[request.param]()


@pytest.fixture
def foreign_vault(vault: Vault, request: pytest.FixtureRequest) -> Iterator[Vault]:
    """Provide another vault of the same kind, under another sealing key."""
    del vault
    keeper = request.node.callspec.params["vault"]
    yield from KEEPERS[keeper]()
