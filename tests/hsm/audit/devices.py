"""Emulated devices with the roles of the manifest, forced to log, as a ceremony leaves them."""

import secrets

from yubihsm.core import AuthSession, YubiHsm
from yubihsm.defs import AUDIT, COMMAND
from yubihsm.objects import AuthenticationKey, OtpAeadKey

from hsm import manifest
from hsm.credentials import HsmSecret
from hsm.device.line import Device
from hsm.device.opening import open_session
from hsm.device.session import Login
from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.emulator.faults import Mishaps
from hsm.emulator.objects.identity import Identity

MANIFEST = manifest.validation()
HOST = HsmSecret.generate("host")
CEREMONY = HsmSecret.generate("ceremony")
IDENTITY = Identity.create(secrets.token_bytes)


def login(role: str) -> Login:
    """Return with what a role logs in."""
    one = MANIFEST.role(role)
    return Login(one.id, *(HOST if one.held == "host" else CEREMONY).role_key(role))


class Bench:
    """A device, the way to it, and who uses it."""

    def __init__(self, emulator: Emulator | None = None) -> None:
        self.emulator = emulator or Emulator(identity=IDENTITY)
        self.mishaps = Mishaps(self.emulator)
        self.backend = EmulatorBackend(self.mishaps)
        self.device = Device("an emulator", self.backend.another, waits=False)

    def set_up(self) -> "Bench":
        """Make roles and the OTP key, audit what the manifest audits, delete the factory's key."""
        session = YubiHsm(self.backend).create_session_derived(1, "password")
        audited = MANIFEST.options.audited
        session.set_command_audit(
            {
                one: AUDIT.FIXED if one in audited else AUDIT.OFF
                for one in session.get_command_audit()
            }
        )
        for role in MANIFEST.roles:
            keys = login(role.name)
            AuthenticationKey.put(
                session,
                role.id,
                role.name,
                role.domains,
                role.capabilities,
                role.delegated,
                keys.encryption,
                keys.mac,
            )
        key = MANIFEST.object("otp")
        OtpAeadKey.generate(
            session, key.id, key.name, key.domains, key.capabilities, key.algorithm, 7
        )
        session.set_force_audit(AUDIT.FIXED)
        AuthenticationKey(session, 1).delete()
        session.close()
        return self

    def create_aeads(self, count: int) -> None:
        """Let the provisioner make AEADs."""
        with open_session(self.device, login("provisioner")) as session:
            for _ in range(count):
                create_aead(session)

    @property
    def log_used(self) -> int:
        return len(self.emulator.device.log)


def create_aead(session: AuthSession) -> bytes:
    """Make an AEAD of a made-up credential."""
    key = OtpAeadKey(session, MANIFEST.object("otp").id)
    return key.create_otp_aead(secrets.token_bytes(16), secrets.token_bytes(6))


def entries_of(command: COMMAND, emulator: Emulator) -> int:
    """Count the entries of a command that a device holds."""
    return sum(one.data[2] == command for one in emulator.device.log.saved()[0])
