"""The vault seam: everything Keystead asks of whoever keeps its secrets.

A vault seals secrets into opaque records that the database may hold, and opens OTPs
without ever handing an OTP key out. Keepers of this promise are tested by one contract
suite (`tests/hsm/vault_contract.py`).
"""

from typing import NamedTuple, Protocol

from validation.otp import OtpFields


class OtpKeyBinding(NamedTuple):
    """What a sealed OTP key belongs to; a record opens under this binding only.

    public_id: 0-16 modhex characters, lower case.
    generation: counts from 1 each time the public id gets a new secret.
    """

    public_id: str
    generation: int


class OtpKeySecrets(NamedTuple):
    """The secrets of one YubiKey OTP slot. aes_key: 16 octets; private_id: 6 octets."""

    aes_key: bytes
    private_id: bytes

    def __repr__(self) -> str:
        """Secrets never reach a log by way of `repr`."""
        return "OtpKeySecrets(<hidden>)"


class VaultError(Exception):
    """The vault could not do its work. Never the caller's client's mistake."""


class VaultUnavailableError(VaultError):
    """The keeper does not answer (yet). Says nothing about the OTP: BACKEND_ERROR."""


class RecordRefusedError(VaultError):
    """A stored record is not what was sealed for this binding: altered, copied or foreign.

    An alarm for the operator, and BACKEND_ERROR for the client: no client can cause it.
    """


class Vault(Protocol):
    """Seals secrets and opens OTPs. Methods are coroutines because an HSM waits."""

    async def seal_otp_key(self, binding: OtpKeyBinding, secrets: OtpKeySecrets) -> bytes:
        """Return an opaque record of at most 256 octets that opens under `binding` only."""
        ...

    async def open_otp(self, binding: OtpKeyBinding, record: bytes, ciphertext: bytes) -> OtpFields:
        """Decrypt one OTP (16 octets), check CRC and private id, return its fields.

        Raises validation.otp.InvalidOtpError when the OTP is not this key's,
        RecordRefusedError when the record does not open, VaultUnavailableError.
        """
        ...

    async def seal_secret(self, label: str, secret: bytes) -> bytes:
        """Seal up to 4,096 octets that the service itself must read back, bound to `label`."""
        ...

    async def open_secret(self, label: str, record: bytes) -> bytes:
        """Open what `seal_secret` sealed under the same label; raises as `open_otp`."""
        ...


class RevealingVault(Vault, Protocol):
    """A vault that gives OTP keys away, for an operator who leaves with them. An HSM does not."""

    async def reveal_otp_key(self, binding: OtpKeyBinding, record: bytes) -> OtpKeySecrets:
        """Return what was sealed under `binding`; raises as `open_otp`."""
        ...
