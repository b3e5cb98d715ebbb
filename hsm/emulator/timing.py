"""How long hardware takes, so that load figures of the emulator are honest.

Published by Yubico for YubiHSM 2 (its product brief) unless it says estimated. OTPs were never
published; 6 ms lies in the middle of what the trials led us to expect (100 to 250 a second).
"""

import time
from collections.abc import Callable
from typing import Protocol

from hsm.emulator.core import Executed
from hsm.emulator.wire.algorithm import Algorithm as Alg
from hsm.emulator.wire.command import Command as Cmd

_SIGN_RSA = {Alg.RSA_2048: 0.139, Alg.RSA_3072: 0.504, Alg.RSA_4096: 0.852}
_EC = {
    Alg.EC_P224: 0.064,
    Alg.EC_P256: 0.073,
    Alg.EC_K256: 0.073,  # estimated, as P-256
    Alg.EC_P384: 0.120,
    Alg.EC_P521: 0.210,
    Alg.EC_BP256: 0.073,  # estimated, as P-256
    Alg.EC_BP384: 0.120,  # estimated, as P-384
    Alg.EC_BP512: 0.210,  # estimated, as P-521
    Alg.EC_ED25519: 0.105,
}
_ASYMMETRIC = _SIGN_RSA | _EC
_ASYMMETRIC_COMMANDS = frozenset(
    {
        Cmd.SIGN_PKCS1,
        Cmd.SIGN_PSS,
        Cmd.SIGN_ECDSA,
        Cmd.SIGN_EDDSA,
        Cmd.DECRYPT_PKCS1,
        Cmd.DECRYPT_OAEP,
        Cmd.DERIVE_ECDH,
        Cmd.SIGN_ATTESTATION_CERTIFICATE,
        Cmd.SIGN_SSH_CERTIFICATE,
    }
)
_OTP_S = 0.006
_BY_COMMAND = {
    Cmd.SIGN_HMAC: 0.004,
    Cmd.VERIFY_HMAC: 0.004,
    Cmd.WRAP_DATA: 0.010,
    Cmd.UNWRAP_DATA: 0.010,
    Cmd.EXPORT_WRAPPED: 0.010,
    Cmd.IMPORT_WRAPPED: 0.010,
    Cmd.DECRYPT_OTP: _OTP_S,  # estimated, as are the others with OTP credentials
    Cmd.CREATE_OTP_AEAD: _OTP_S,
    Cmd.RANDOMIZE_OTP_AEAD: _OTP_S,
    Cmd.REWRAP_OTP_AEAD: 2 * _OTP_S,
}
_ANY_S = 0.002
"""Everything else, the round trip over USB included; estimated."""


def duration(executed: Executed | None) -> float:
    """Return the seconds that hardware would have been busy with a command."""
    if executed is None:
        return _ANY_S
    if executed.command in _ASYMMETRIC_COMMANDS and executed.algorithm is not None:
        return _ASYMMETRIC.get(executed.algorithm, _ANY_S)
    return _BY_COMMAND.get(executed.command, _ANY_S)


class Device(Protocol):
    """What answers and says afterwards what it was busy with."""

    @property
    def executed(self) -> Executed | None:
        """What the last message made it do."""

    def transceive(self, raw: bytes, /) -> bytes:
        """Answer a message."""


class Paced:
    """A device that takes as long as hardware. wait: spends so many seconds."""

    def __init__(self, device: Device, wait: Callable[[float], None] = time.sleep) -> None:
        self._device = device
        self._wait = wait

    def transceive(self, raw: bytes) -> bytes:
        """Answer a message, not before hardware would have."""
        answer = self._device.transceive(raw)
        self._wait(duration(self._device.executed))
        return answer
