"""Two emulators and the way to them, in process and over HTTP, for drills of restoring."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yubihsm.objects import OtpAeadKey

from hsm.ceremony.backup import Source
from hsm.ceremony.perform import Performance
from hsm.ceremony.reach import DEADLINE_S, Secrets
from hsm.ceremony.restore import Target
from hsm.credentials import HsmSecret
from hsm.device.address import device_at
from hsm.device.line import Device
from hsm.device.opening import open_session
from hsm.device.session import Login
from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.emulator.wire.firmware import DEFAULT, Firmware
from hsm.journalkey import JournalKey
from hsm.logins import role_login
from hsm.manifest import Manifest, validation
from validation.otp import OtpCipher, OtpFields

OPERATOR = JournalKey.generate()


class Drill:
    """A source and a target, a set of secrets, and what goes through them."""

    def __init__(self, source: Device, target: Device, manifest: Manifest | None = None) -> None:
        self.manifest = manifest or validation()
        self.secrets = Secrets(HsmSecret.generate("host"), HsmSecret.generate("ceremony"))
        self.devices = source, target
        self.kept: list[bytes] = []
        self.source = Source(source, self.manifest, self.secrets.ceremony, self.kept.extend)
        self.target = Target(
            target, self.manifest, self.secrets, operator=OPERATOR, archive=self.kept.extend
        )

    def set_up(self) -> "Drill":
        Performance(
            self.devices[0], self.manifest, self.secrets, archive=self.kept.extend
        ).perform()
        return self

    def seal(self) -> tuple[bytes, bytes, OtpFields]:
        """Return an AEAD that the source made, an OTP of its YubiKey, and what is in that."""
        key, fields = secrets.token_bytes(16), OtpFields(os.urandom(6), 7, 99, 3, 1)
        with open_session(self.devices[0], self._login("provisioner")) as session:
            otp_key = OtpAeadKey(session, self.manifest.object("otp").id)
            aead = otp_key.create_otp_aead(key, fields.private_id)
        return aead, OtpCipher(key).seal(fields), fields

    def opens(self, aead: bytes, otp: bytes, fields: OtpFields) -> bool:
        """Whether the target opens the OTP."""
        with open_session(self.devices[1], self._login("validator")) as session:
            found = OtpAeadKey(session, self.manifest.object("otp").id).decrypt_otp(aead, otp)
        return (found.use_counter, found.session_counter) == (fields.session, fields.use)

    def _login(self, role: str) -> Login:
        return role_login(self.secrets.host, self.manifest.role(role))


def in_process(firmware: Firmware = DEFAULT, target_firmware: Firmware | None = None) -> Drill:
    """Return a drill with two devices in this process."""

    def device(name: str, version: Firmware) -> Device:
        backend = EmulatorBackend(Emulator(version))
        return Device(name, backend.another, waits=False)

    return Drill(device("source", firmware), device("target", target_firmware or firmware))


@contextmanager
def served() -> Iterator[str]:
    """Serve a device as from the factory, and yield its URL."""
    command = [str(Path(sys.executable).with_name("keystead")), "emulator"]
    process = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[1]
    finally:
        process.terminate()
        process.communicate(timeout=30)


@contextmanager
def over_http() -> Iterator[Drill]:
    """Provide a drill with two devices behind connectors of their own."""
    with served() as one, served() as two:
        yield Drill(device_at(one, DEADLINE_S), device_at(two, DEADLINE_S))
