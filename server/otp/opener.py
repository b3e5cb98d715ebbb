"""Opens OTPs: finds the sealed key, lets the vault decrypt, and doubts its own memory."""

from collections.abc import Awaitable
from typing import NamedTuple

from hsm.vault import OtpKeyBinding, RecordRefusedError, Vault
from server.otp.key_memory import KeyMemory
from server.otp.ports import Directory, KeyRecord
from server.otp.record_cache import RecordCache
from validation.otp import InvalidOtpError, Otp, OtpFields


class Opened(NamedTuple):
    """A key's version (0 = no such key) and what the OTP says; None for a bad OTP."""

    version: int
    fields: OtpFields | None


class OtpOpener:
    """Sealed keys of the store, room for `limit` of them in memory, and the vault for them."""

    def __init__(self, directory: Directory, vault: Vault, *, limit: int) -> None:
        self._vault = vault
        self._keys: RecordCache[str, KeyRecord] = RecordCache(directory.key, KeyMemory(limit))

    async def open(self, otp: Otp) -> Opened:
        """Open an OTP with the key in memory, and if that fails with the store's.

        A key unknown or switched off gives no fields, as an OTP that is not the key's does.
        Raises StoreUnavailableError and VaultError.
        """
        held = self._keys.held(otp.public_id)
        refused: RecordRefusedError | None = None
        try:
            if held is not None and held.active:
                try:
                    return Opened(held.version, await self._open_with(held, otp))
                except InvalidOtpError:
                    pass  # by the key in memory; perhaps there is another by now
                except RecordRefusedError as error:
                    # Perhaps it was sealed anew since, and the key that it was under is retired.
                    refused = error
            return await self._open_anew(otp, held, refused)
        except RecordRefusedError:
            # Somebody may put the row right: the next request must see that.
            self._keys.forget(otp.public_id)
            raise

    def forget(self, public_id: str) -> None:
        """Drop a key whose version proved to be stale."""
        self._keys.forget(public_id)

    async def _open_anew(
        self, otp: Otp, held: KeyRecord | None, refused: RecordRefusedError | None
    ) -> Opened:
        """Open an OTP with the store's record; `held` is what did not open it, or was refused."""
        key = await self._keys.reload(otp.public_id)
        if key is None:
            return Opened(0, None)
        if not key.active:
            return Opened(key.version, None)
        if key == held:
            if refused is not None:
                raise refused
            return Opened(key.version, None)
        try:
            return Opened(key.version, await self._open_with(key, otp))
        except InvalidOtpError:
            return Opened(key.version, None)

    def _open_with(self, key: KeyRecord, otp: Otp) -> Awaitable[OtpFields]:
        binding = OtpKeyBinding(otp.public_id, key.generation)
        return self._vault.open_otp(binding, key.record, otp.ciphertext)
