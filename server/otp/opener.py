"""Opens OTPs: finds the sealed key, lets the vault decrypt, and doubts its own memory."""

from typing import NamedTuple

from hsm.vault import OtpKeyBinding, RecordRefusedError, Vault
from server.otp.ports import Directory, KeyRecord
from server.otp.record_cache import RecordCache
from validation.otp import InvalidOtpError, Otp, OtpFields


class Opened(NamedTuple):
    """A key's version (0 = no such key) and what the OTP says; None for a bad OTP."""

    version: int
    fields: OtpFields | None


class OtpOpener:
    """Sealed keys of the store, at most `limit` of them in memory, and the vault for them."""

    def __init__(self, directory: Directory, vault: Vault, *, limit: int) -> None:
        self._vault = vault
        self._keys: RecordCache[str, KeyRecord] = RecordCache(directory.key, limit=limit)

    async def open(self, otp: Otp) -> Opened:
        """Open an OTP with the key in memory, and if that fails with the store's.

        A key unknown or switched off gives no fields, as an OTP that is not the key's does.
        Raises StoreUnavailableError and VaultError.
        """
        held = self._keys.held(otp.public_id)
        if held is not None and held.active:
            fields = await self._try(held, otp)
            if fields is not None:
                return Opened(held.version, fields)
        record = await self._keys.reload(otp.public_id)
        if record is None:
            return Opened(0, None)
        if not record.active or record == held:  # the same record has just failed
            return Opened(record.version, None)
        return Opened(record.version, await self._try(record, otp))

    def forget(self, public_id: str) -> None:
        """Drop a key whose version proved to be stale."""
        self._keys.forget(public_id)

    async def _try(self, key: KeyRecord, otp: Otp) -> OtpFields | None:
        binding = OtpKeyBinding(otp.public_id, key.generation)
        try:
            return await self._vault.open_otp(binding, key.record, otp.ciphertext)
        except InvalidOtpError:
            return None
        except RecordRefusedError:
            # Somebody may put the row right: the next request must see that.
            self._keys.forget(otp.public_id)
            raise
