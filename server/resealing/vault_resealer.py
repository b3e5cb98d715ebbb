"""A resealer of two vaults: one opens, the other seals, and what it sealed is opened again.

From a vault that gives secrets away to any vault: a key file's to data keys, data keys to new
ones, data keys to AEADs of the HSM. From the HSM's AEADs there is no way back this way: what it
was given it gives to nobody (`hsm.provisioning.rewrap` has it bring them under another key).
"""

import secrets as randomness
from hmac import compare_digest

from hsm.provisioning.proof import UnprovedRecordError, prove_record
from hsm.seals import seal_of
from hsm.vault import OtpKeyBinding, OtpKeySecrets, RevealingVault, Vault, VaultError
from server.resealing.ports import Target

_PROBE_OCTETS = 16


class VaultResealer:
    """Keeps `server.resealing.ports.Resealer`."""

    def __init__(self, opener: RevealingVault, sealer: Vault, target: Target) -> None:
        self._opener = opener
        self._sealer = sealer
        self._target = target

    @property
    def target(self) -> Target:
        """The seals that its records have."""
        return self._target

    async def otp_key(self, binding: OtpKeyBinding, record: bytes) -> bytes:
        """Open, seal anew, and have the new record open an OTP of the same secret."""
        secrets = await self._opener.reveal_otp_key(binding, record)
        fresh = await self._sealer.seal_otp_key(binding, secrets)
        self._check(fresh, self._target.otp)
        await prove_record(self._sealer, binding, fresh, secrets)
        return fresh

    async def secret(self, label: str, record: bytes) -> bytes:
        """Open, seal anew, open again and compare."""
        secret = await self._opener.open_secret(label, record)
        fresh = await self._sealer.seal_secret(label, secret)
        self._check(fresh, self._target.secrets)
        if not compare_digest(await self._sealer.open_secret(label, fresh), secret):
            raise UnprovedRecordError(f"the record just sealed for {label} holds another secret")
        return fresh

    @staticmethod
    def _check(fresh: bytes, seal: bytes) -> None:
        """Refuse a record under another key than was agreed on: its walk would never end."""
        if seal_of(fresh) != seal:
            raise VaultError("the vault seals under another key than the rotation's target")


async def sealing_target(vault: Vault) -> Target:
    """Return what a vault seals under now, found out by sealing something worthless."""
    worthless = OtpKeySecrets(randomness.token_bytes(16), randomness.token_bytes(6))
    otp = await vault.seal_otp_key(OtpKeyBinding("", 1), worthless)
    secret = await vault.seal_secret("nothing", randomness.token_bytes(_PROBE_OCTETS))
    return Target(seal_of(otp), seal_of(secret))
