"""A device of its own for each test, its secrets, and the way to it on which things go wrong."""

import secrets as randomness
from collections.abc import Callable

import pytest

from hsm.ceremony.reach import Secrets
from hsm.credentials import HsmSecret
from hsm.device.line import Device
from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.emulator.faults import Mishaps
from hsm.emulator.objects.identity import Identity
from hsm.emulator.wire.firmware import DEFAULT, Firmware

Make = Callable[..., "Bench"]


class Bench:
    """A device as from the factory, what it is reached by, and the secrets of its ceremony."""

    def __init__(self, firmware: Firmware, identity: Identity) -> None:
        # Its time stands still: a machine that pauses ends no session here.
        self.emulator = Emulator(firmware, identity=identity, clock=lambda: 1000.0)
        self.mishaps = Mishaps(self.emulator)
        self.messages = 0
        self.device = Device("the bench", lambda: EmulatorBackend(self))
        self.secrets = Secrets(HsmSecret.generate("host"), HsmSecret.generate("ceremony"))

    def transceive(self, raw: bytes) -> bytes:
        """Count messages, and let happen what is planned."""
        self.messages += 1
        return self.mishaps.transceive(raw)


@pytest.fixture(scope="session")
def identity() -> Identity:
    """Provide one device's identity: making certificates takes longer than a test."""
    return Identity.create(randomness.token_bytes)


@pytest.fixture
def make(identity: Identity) -> Make:
    """Provide what makes a bench with a device of some firmware."""

    def bench(firmware: Firmware = DEFAULT) -> Bench:
        return Bench(firmware, identity)

    return bench


@pytest.fixture
def bench(make: Make) -> Bench:
    return make()
