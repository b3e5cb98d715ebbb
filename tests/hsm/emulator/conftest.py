"""A device of its own for each test, and Yubico's library as the client on the near side."""

import secrets
from collections.abc import Callable

import pytest
from yubihsm.core import AuthSession, YubiHsm
from yubihsm.defs import CAPABILITY
from yubihsm.objects import AuthenticationKey

from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.emulator.faults import Mishaps
from hsm.emulator.objects.identity import Identity
from hsm.emulator.wire.firmware import DEFAULT, Firmware


class Clock:
    """Time that passes when a test says so, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


Login = Callable[..., AuthSession]


@pytest.fixture(scope="session")
def identity() -> Identity:
    """Provide one device's identity: making certificates takes longer than a test."""
    return Identity.create(secrets.token_bytes)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def firmware(request: pytest.FixtureRequest) -> Firmware:
    """Provide the newest tried version; a test asks for others by indirect parameters."""
    return getattr(request, "param", DEFAULT)


@pytest.fixture
def emulator(clock: Clock, identity: Identity, firmware: Firmware) -> Emulator:
    return Emulator(firmware, identity=identity, clock=clock)


@pytest.fixture
def mishaps(emulator: Emulator) -> Mishaps:
    """Provide the way to the device, on which a test plans what goes wrong."""
    return Mishaps(emulator)


@pytest.fixture
def hsm(mishaps: Mishaps) -> YubiHsm:
    return YubiHsm(EmulatorBackend(mishaps))


@pytest.fixture
def admin(hsm: YubiHsm) -> AuthSession:
    """Provide a session of the factory's key, which may do everything."""
    return hsm.create_session_derived(1, "password")


@pytest.fixture
def login(hsm: YubiHsm, admin: AuthSession) -> Login:
    """Provide what makes a key with these rights and logs in with it."""

    def make(
        capabilities: CAPABILITY = CAPABILITY.NONE,
        delegated: CAPABILITY = CAPABILITY.NONE,
        domains: int = 0xFFFF,
    ) -> AuthSession:
        key = AuthenticationKey.put_derived(
            admin, 0, "role", domains, capabilities, delegated, "a role's password"
        )
        return hsm.create_session_derived(key.id, "a role's password")

    return make
