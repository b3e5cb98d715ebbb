"""A device made ready for OTPs, with keys that tests know, and OTPs for it."""

import secrets
from collections.abc import Callable

from yubihsm.core import YubiHsm
from yubihsm.defs import ALGORITHM, CAPABILITY
from yubihsm.objects import AuthenticationKey

from hsm.device.line import Device
from hsm.device.otp import put_otp_aead_key
from hsm.device.session import Login
from hsm.emulator.backend import EmulatorBackend, Way
from hsm.emulator.core import Emulator
from hsm.emulator.objects.identity import Identity
from validation.otp import parse_otp
from validation.virtual import VirtualYubiKey

OTP_KEY = 0x0101
NONCE_ID = 0x6B737464
MASTER = bytes(range(32))
"""The same in every device, as in a pool whose devices were cloned."""

VALIDATOR = Login(0x0011, b"validator's enc.", b"validator's mac.")
PROVISIONER = Login(0x0012, b"provisioner enc.", b"provisioner mac.")
AES_KEY = b"canary's aes key"
PRIVATE_ID = b"canary"
CANARIES = (MASTER, AES_KEY, *VALIDATOR[1:], *PROVISIONER[1:])

_IDENTITY = Identity.create(secrets.token_bytes)


def an_emulator(clock: Callable[[], float] | None = None) -> Emulator:
    """Return a device with the OTP key and both roles, and without the factory's key."""
    emulator = (
        Emulator(identity=_IDENTITY) if clock is None else Emulator(identity=_IDENTITY, clock=clock)
    )
    with YubiHsm(EmulatorBackend(emulator)).create_session_derived(1, "password") as admin:
        put_otp_aead_key(
            admin,
            OTP_KEY,
            "otp",
            domains=1,
            capabilities=CAPABILITY.DECRYPT_OTP | CAPABILITY.CREATE_OTP_AEAD,
            algorithm=ALGORITHM.AES256_YUBICO_OTP,
            nonce_id=NONCE_ID,
            key=MASTER,
        )
        for login, capabilities in (
            (VALIDATOR, CAPABILITY.DECRYPT_OTP),
            (PROVISIONER, CAPABILITY.CREATE_OTP_AEAD | CAPABILITY.GET_PSEUDO_RANDOM),
        ):
            role, encryption, mac = login
            AuthenticationKey.put(
                admin, role, "role", 1, capabilities, CAPABILITY.NONE, encryption, mac
            )
    return emulator


def here(way: Way, *, waits: bool = False, name: str = "emulator") -> Device:
    """Return the way to an emulator in this process, as a device."""
    backend = EmulatorBackend(way)
    return Device(name, lambda: backend, waits=waits)


def a_ciphertext(
    *, use: int = 3, aes_key: bytes = AES_KEY, private_id: bytes = PRIVATE_ID
) -> bytes:
    """Return the 16 octets of an OTP: session 2, clock 77."""
    key = VirtualYubiKey("", private_id, aes_key, session=2, use=use, clock=77)
    return parse_otp(key.press(random=5)).ciphertext
