"""Keys on their way in: sealed at once, compared with what the store has."""

from collections.abc import Sequence

from hsm.vault import OtpKeyBinding, Vault
from server.moving.courtesy import make_way
from server.moving.keys_file import MovedKey
from server.moving.ports import File, Gathering, IncomingKey, KnownKey, MoveBook
from server.moving.report import Change, Report
from server.otp.ports import NewKey
from validation.otp import InvalidOtpError, OtpCipher, OtpFields

_GENERATION = 1


class KeyIntake:
    """Takes keys from the lines of a file. Store and vault errors pass through."""

    def __init__(self, book: MoveBook, vault: Vault, gathering: Gathering, report: Report) -> None:
        self._book = book
        self._vault = vault
        self._gathering = gathering
        self._report = report

    async def take(self, keys: Sequence[tuple[int, MovedKey]]) -> int:
        """Gather keys, each with its line; return how many are new."""
        known = await self._book.known_keys([key.public_id for _, key in keys])
        new: list[tuple[int, IncomingKey]] = []
        same: list[tuple[int, str]] = []
        for at, (line, key) in enumerate(keys):
            await make_way(at)
            if (stored := known.get(key.public_id)) is None:
                new.append((line, await self._seal(key)))
            elif await self._is_same(key, stored):
                same.append((line, key.public_id))
            else:
                self._report.blame(
                    File.KEYS,
                    line,
                    f"the public id {key.public_id!r} is known already, with other secrets;"
                    " remove the line to keep the key that is there",
                )
        self._report.count(File.KEYS, Change.NEW, len(new))
        self._report.count(File.KEYS, Change.UNCHANGED, len(same))
        await self._gathering.add_keys(new)
        await self._gathering.add_known_keys(same)
        return len(new)

    async def _seal(self, key: MovedKey) -> IncomingKey:
        binding = OtpKeyBinding(key.public_id, _GENERATION)
        record = await self._vault.seal_otp_key(binding, key.secrets)
        new = NewKey(key.public_id, _GENERATION, record, key.serial)
        return IncomingKey(new, key.created_us, None)

    async def _is_same(self, key: MovedKey, stored: KnownKey) -> bool:
        """Tell whether a stored key has these secrets.

        It has if it opens an OTP made with them; so no vault needs to hand a key out.
        """
        aes_key, private_id = key.secrets
        block = OtpCipher(aes_key).seal(OtpFields(private_id, 0, 0, 0, 0))
        binding = OtpKeyBinding(key.public_id, stored.generation)
        try:
            await self._vault.open_otp(binding, stored.record, block)
        except InvalidOtpError:
            return False
        return True
