"""Emulators to be measured against: in this process, and `keystead emulator` as processes."""

import contextlib
import secrets
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

from yubihsm.defs import ALGORITHM, CAPABILITY
from yubihsm.objects import AuthenticationKey

from hsm.device.address import device_at
from hsm.device.line import Device
from hsm.device.opening import open_session
from hsm.device.otp import put_otp_aead_key
from hsm.device.session import Login
from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.logins import factory_login

OTP_KEY = 0x0101
_NONCE_ID = 0x6B737464
_ONE_DOMAIN = 1


class Secrets(NamedTuple):
    """What all devices of one run share, as clones of one device do."""

    otp_key: bytes
    validator: Login
    provisioner: Login

    def __repr__(self) -> str:
        return "Secrets(<hidden>)"

    @classmethod
    def fresh(cls) -> "Secrets":
        """Draw them."""
        logins = [Login(role, *(secrets.token_bytes(16) for _ in "em")) for role in (0x11, 0x12)]
        return cls(secrets.token_bytes(32), *logins)


class Running(NamedTuple):
    """A device and the process it is in: None for this one."""

    device: Device
    pid: int | None


def in_process(shared: Secrets) -> Running:
    """Make an emulator in this process."""
    backend = EmulatorBackend(Emulator())
    device = Device("in process", lambda: backend, waits=False)
    _prepare(device, shared)
    return Running(device, None)


@contextlib.contextmanager
def as_process(shared: Secrets, *, paced: bool, data: str) -> Iterator[Running]:
    """Run `keystead emulator` for as long as it is needed. data: a folder without configuration."""
    command = [sys.executable, "-m", "server", "--data", data, "emulator"]
    command += ["--listen", "127.0.0.1:0"]
    if paced:
        command += ["--timing", "yubihsm2"]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            word, _, rest = line.partition(" ")
            if word != "ready":
                raise RuntimeError("keystead emulator did not start: run it by hand to see why")
            device = device_at(rest.split()[0])
            _prepare(device, shared)
            yield Running(device, process.pid)
        finally:
            process.terminate()


def _prepare(device: Device, shared: Secrets) -> None:
    """Put the OTP key and the two roles into a device as from the factory."""
    with open_session(device, factory_login()) as admin:
        put_otp_aead_key(
            admin,
            OTP_KEY,
            "bench",
            domains=_ONE_DOMAIN,
            capabilities=CAPABILITY.DECRYPT_OTP | CAPABILITY.CREATE_OTP_AEAD,
            algorithm=ALGORITHM.AES256_YUBICO_OTP,
            nonce_id=_NONCE_ID,
            key=shared.otp_key,
        )
        for login, capability in (
            (shared.validator, CAPABILITY.DECRYPT_OTP),
            (shared.provisioner, CAPABILITY.CREATE_OTP_AEAD),
        ):
            role, encryption, mac = login
            AuthenticationKey.put(
                admin, role, "bench", _ONE_DOMAIN, capability, CAPABILITY.NONE, encryption, mac
            )
