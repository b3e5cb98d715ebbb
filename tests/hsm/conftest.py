"""The keepers of the vault seam: each is held to `test_vault_contract.py`."""

import os
from collections.abc import Callable, Iterator

import pytest

from hsm.filevault import FileVault
from hsm.keyfile import SealingKey
from hsm.vault import Vault


def a_file_vault() -> Iterator[Vault]:
    yield FileVault(SealingKey.of(os.urandom(32)))


# A new keeper is added here, and every promise of the seam is tested against it. What a keeper
# needs (a device, an emulator) is started before its `yield` and ended after it.
KEEPERS: dict[str, Callable[[], Iterator[Vault]]] = {"file": a_file_vault}


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
