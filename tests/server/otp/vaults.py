"""A vault that a test can take out of service."""

from hsm.vault import OtpKeyBinding, OtpKeySecrets, Vault, VaultUnavailableError
from validation.otp import OtpFields


class ForgetfulVault:
    """Passes everything on to `vault`; unavailable: "otp key", "api key" or both."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.unavailable: set[str] = set()

    async def seal_otp_key(self, binding: OtpKeyBinding, secrets: OtpKeySecrets) -> bytes:
        return await self._vault.seal_otp_key(binding, secrets)

    async def open_otp(self, binding: OtpKeyBinding, record: bytes, ciphertext: bytes) -> OtpFields:
        self._answer("otp key")
        return await self._vault.open_otp(binding, record, ciphertext)

    async def seal_secret(self, label: str, secret: bytes) -> bytes:
        return await self._vault.seal_secret(label, secret)

    async def open_secret(self, label: str, record: bytes) -> bytes:
        self._answer("api key")
        return await self._vault.open_secret(label, record)

    def _answer(self, what: str) -> None:
        if what in self.unavailable:
            raise VaultUnavailableError("the vault does not answer")
