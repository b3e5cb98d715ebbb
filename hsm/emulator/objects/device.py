"""The state of one device: what survives a restart, what survives a reset, and what neither."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from hsm.emulator.channel.sessions import Sessions
from hsm.emulator.objects.auditlog import AuditLog
from hsm.emulator.objects.identity import EVERYWHERE, Identity
from hsm.emulator.objects.options import Audit, Options
from hsm.emulator.objects.record import LABEL_SIZE, Record
from hsm.emulator.objects.store import Store
from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.capability import EVERYTHING
from hsm.emulator.wire.firmware import Firmware
from hsm.emulator.wire.kind import Kind, Origin

FACTORY_KEY_ID = 1
_FACTORY_LABEL = b"DEFAULT AUTHKEY CHANGE THIS ASAP"
_TICKS_PER_S = 100


@dataclass(slots=True)
class Device:
    """All parts of a device. clock: seconds that only grow; random: so many random octets.

    fips_model: whether it answers as one of the FIPS series. version: grows with every change
    of what must survive a restart.
    """

    firmware: Firmware
    identity: Identity
    clock: Callable[[], float]
    random: Callable[[int], bytes]
    fips_model: bool = False
    version: int = 0
    store: Store = field(init=False)
    log: AuditLog = field(init=False)
    options: Options = field(init=False)
    sessions: Sessions = field(init=False)
    _booted: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin as from the factory."""
        self.log = AuditLog(self.random)
        self.options = Options(self.firmware, fips_model=self.fips_model)
        self.sessions = Sessions(self.clock)
        self._booted = self.clock()
        self._begin()

    def reset(self) -> None:
        """Forget all objects, options, the log and the static key; start as from the factory."""
        self.identity = self.identity.renewed(self.random)
        self._begin()

    def _begin(self) -> None:
        self.store = Store(self.random)
        self.store.add(_factory_key())
        self.options.reset()
        self.log.reset()
        self.boot()

    def boot(self) -> None:
        """Start: sessions are gone, the clock begins anew, the log says so."""
        self.sessions.end_all()
        self._booted = self.clock()
        self.log.boot(forced=self.options.force_audit is not Audit.OFF)
        self.version += 1

    def tick(self) -> int:
        """Return hundredths of a second since the start."""
        return int((self.clock() - self._booted) * _TICKS_PER_S)

    def fresh(self) -> bool:
        """Whether nothing but the factory's key was ever stored since the reset."""
        return set(self.store.written()) == {(Kind.AUTHENTICATION_KEY, FACTORY_KEY_ID)}

    def factory_key_works(self) -> bool:
        """Whether anybody can still log in with the password that is printed in the manual."""
        record = self.store.get(Kind.AUTHENTICATION_KEY, FACTORY_KEY_ID)
        return record is not None and record.material == _factory_secret()


@functools.cache
def _factory_secret() -> bytes:
    """Return what Yubico's tools derive from the password `password`."""
    return PBKDF2HMAC(SHA256(), 32, b"Yubico", 10_000).derive(b"password")


def _factory_key() -> Record:
    return Record(
        Kind.AUTHENTICATION_KEY,
        FACTORY_KEY_ID,
        _FACTORY_LABEL.ljust(LABEL_SIZE, b"\0"),
        EVERYWHERE,
        EVERYTHING,
        Algorithm.AES128_YUBICO_AUTHENTICATION,
        Origin.IMPORTED,
        _factory_secret(),
        EVERYTHING,
    )
