"""A resealer of two vaults: one opens, the other seals, and what it sealed is opened again.

From a vault that gives secrets away to any vault: a key file's to data keys, data keys to new
ones, data keys to AEADs of the HSM. What the HSM was given it gives to nobody: AEADs come under
another of its keys inside it (`hsm.provisioning.rewrap`), and there is no way back out.
"""

import secrets as randomness
from collections.abc import Awaitable, Callable
from hmac import compare_digest
from typing import TypeAlias

from hsm.provisioning.proof import UnprovedRecordError, prove_record
from hsm.seals import STRICT, seal_of
from hsm.vault import OtpKeyBinding, OtpKeySecrets, RevealingVault, Vault, VaultError
from server.resealing.ports import Target

_PROBE_OCTETS = 16


Rewrap: TypeAlias = Callable[[OtpKeyBinding, bytes], Awaitable[bytes]]
"""Brings the record of an AEAD under the target's keys, and proves it."""


class NoWayBackError(VaultError):
    """Records in the HSM were to come out of it."""

    def __init__(self) -> None:
        super().__init__(
            "the OTP keys are in the HSM, which gives none of them away: from strict mode there is"
            ' no way back to sealed mode. Set hsm.mode = "strict" again'
        )


class VaultResealer:
    """Keeps `server.resealing.ports.Resealer`.

    opener, sealer: open what is there, and seal under the target; rewrap: for records whose
    secrets are in the HSM, None where it has none.
    """

    def __init__(
        self,
        opener: RevealingVault,
        sealer: Vault,
        target: Target,
        *,
        rewrap: Rewrap | None = None,
    ) -> None:
        self._opener = opener
        self._sealer = sealer
        self._target = target
        self._rewrap = rewrap

    @property
    def target(self) -> Target:
        """The seals that its records have."""
        return self._target

    async def otp_key(self, binding: OtpKeyBinding, record: bytes) -> bytes:
        """Open, seal anew, and have the new record open an OTP of the same secret."""
        if record.startswith(STRICT):
            return await self._rewrapped(binding, record)
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

    async def _rewrapped(self, binding: OtpKeyBinding, record: bytes) -> bytes:
        if self._rewrap is None or not self._target.otp.startswith(STRICT):
            raise NoWayBackError
        fresh = await self._rewrap(binding, record)
        self._check(fresh, self._target.otp)
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
