"""The operator's desk for YubiKeys: import, look at, switch on and off."""

import asyncio
from collections.abc import Sequence

from hsm.vault import OtpKeyBinding, Vault
from server.journal.acts import Cause
from server.otp.ksm import KsmError, KsmKey, parse_ksm
from server.otp.ports import KeyBook, KeyDetails, KeyExistsError, NewKey

MAX_PAGE = 1000
_PAUSE_EVERY = 200
"""Keys sealed before other work gets its turn: the loop serves verifications meanwhile."""


class UnknownKeyError(LookupError):
    """There is no key with this public id."""

    def __init__(self, public_id: str) -> None:
        super().__init__(
            f"no key with the public id {public_id!r} is known; it is what an OTP of the key"
            " begins with, without the last 32 letters"
        )
        self.public_id = public_id


class KeyDesk:
    """What an operator may do with keys. Store and vault errors pass through."""

    def __init__(self, book: KeyBook, vault: Vault) -> None:
        self._book = book
        self._vault = vault

    async def import_ksm(self, text: str, *, cause: Cause) -> int:
        """Import a key file and return the number of keys: all of them, or none.

        Raises KsmError naming the line at fault, also for a public id that is known already.
        """
        lines: dict[str, int] = {}
        keys: list[NewKey] = []
        for key in parse_ksm(text):
            lines[key.public_id] = key.line
            keys.append(await self._seal(key))
            if len(keys) % _PAUSE_EVERY == 0:
                await asyncio.sleep(0)
        if not keys:
            return 0
        try:
            await self._book.add_keys(keys, act=cause.act("key.import"))
        except KeyExistsError as error:
            raise KsmError(
                lines[error.public_id],
                f"the public id {error.public_id!r} is known already; nothing was imported."
                " Remove the line to keep the key that is there",
            ) from error
        return len(keys)

    async def show(self, public_id: str) -> KeyDetails:
        """Return one key, or raise UnknownKeyError."""
        return _known(public_id, await self._book.key_details(public_id))

    async def list(self, after: str | None, limit: int) -> Sequence[KeyDetails]:
        """Return up to `limit` (at most MAX_PAGE) keys beyond `after`, in order of public id."""
        return await self._book.list_keys(after, max(1, min(limit, MAX_PAGE)))

    async def enable(self, public_id: str, *, cause: Cause) -> KeyDetails:
        """Let a key validate again, from the next batch on. UnknownKeyError."""
        act = cause.act("key.enable")
        return _known(public_id, await self._book.set_key_active(public_id, active=True, act=act))

    async def disable(self, public_id: str, *, cause: Cause) -> KeyDetails:
        """Stop a key from validating, from the next batch on. UnknownKeyError."""
        act = cause.act("key.disable")
        return _known(public_id, await self._book.set_key_active(public_id, active=False, act=act))

    async def _seal(self, key: KsmKey) -> NewKey:
        generation = 1  # the first secret under this public id: an import never replaces one
        binding = OtpKeyBinding(key.public_id, generation)
        record = await self._vault.seal_otp_key(binding, key.secrets)
        return NewKey(key.public_id, generation, record, key.serial)


def _known(public_id: str, details: KeyDetails | None) -> KeyDetails:
    if details is None:
        raise UnknownKeyError(public_id)
    return details
