"""The key room as re-sealing sees it: keys by their seals, made, taken into use and forgotten.

In sealed mode a rotation gives both kinds new data keys. In strict mode the HSM gets a new object
that OTP keys are rewrapped to, and the data key of the API keys is renewed, and with it the key
that binds AEADs to their rows. The HSM's old object is left in it: backups of before need it.
"""

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path

from hsm import credentials
from hsm.credentials import HsmSecret
from hsm.data_keys import DataKey, KeyState
from hsm.keyfile import KEY_ID_OCTETS
from hsm.privatefile import PrivateFileError
from hsm.rings import Purpose
from hsm.sealed_vault import SealedVault
from hsm.seals import SEALED, STRICT
from hsm.vault import OtpKeyBinding, VaultError
from server.config import Config
from server.datadir import DataDirectory
from server.journal.acts import Cause
from server.key_room import LOOK_EVERY_S, KeyRoom
from server.resealing.ports import GoalError, HeldKey, Kind, Target
from server.resealing.vault_resealer import VaultResealer

_PURPOSES = {Kind.OTP: Purpose.OTP, Kind.SECRETS: Purpose.SECRETS}
_FILE = "key file"
_OBJECT_OCTETS = 2
SETTLES_AFTER_S = 3 * LOOK_EVERY_S
"""Other machines look for new keys every few seconds; until then nothing is sealed with one."""


class RoomKeys:
    """Keeps `server.resealing.ports.Keys`. alone: whether no other machine uses the store."""

    def __init__(self, room: KeyRoom, data: DataDirectory, config: Config, *, alone: bool) -> None:
        self._room = room
        self._data = data
        self._config = config
        self._alone = alone
        self._turn = asyncio.Lock()

    @property
    def settle_s(self) -> float:
        """How long after a change every process of every machine has the keys."""
        return 0.0 if self._alone else SETTLES_AFTER_S

    def held(self) -> Sequence[HeldKey]:
        """Return all keys that open something."""
        keys = [held for key in self._usable() for held in self._shown(key)]
        if self._room.file_key_id:
            seal = SEALED + self._room.file_key_id
            seals = self._room.data_keys is None
            state = KeyState.ACTIVE if seals else KeyState.RETIRED
            keys += [HeldKey(kind, seal, _FILE, state.value) for kind in Kind]
        return keys

    async def renew(self, *, ceremony: Path | None, cause: Cause) -> Target:
        """Make new keys that do not seal yet, or take those that were made and never used."""
        if self._room.data_keys is None:
            raise GoalError(
                "this installation's records are sealed by a key file: there is nothing to rotate"
                " to. Move them to data keys first: keystead vault migrate"
            )
        secret = await self._ceremony(ceremony)
        if not self._room.is_strict:
            async with self._turn:
                made = {one: await self._prepared(one, secret, cause) for one in Purpose}
            return Target(SEALED + made[Purpose.OTP], SEALED + made[Purpose.SECRETS])
        self._room.lent = secret  # the HSM rewraps for the rotator only, as long as it goes on
        async with self._turn:
            object_id = await self._room.next_otp_object(secret)
            secrets = await self._prepared(Purpose.SECRETS, secret, cause)
        return Target(_strict_seal(secrets, object_id), SEALED + secrets)

    async def adopt(self, *, ceremony: Path | None, cause: Cause) -> Target:
        """Return what the vault, as it is configured, seals under; make it if there is none yet."""
        if self._room.hsm is None:
            if not self._data.has_hsm:
                raise GoalError(
                    "this installation has no HSM yet. Run `keystead vault migrate` on the"
                    " service's own machine, where it makes what is missing"
                )
            if not self._alone:
                # The others look for no data keys: what is sealed from now on would open here only.
                raise GoalError(
                    "this process began without an HSM, and other machines may use the same store:"
                    f" put hsm.key, and emulator if there is one, from {self._data.secrets} into"
                    " secrets/ on every machine, restart the service on each, then ask again"
                )
            await self._room.take_hsm(self._config, self._data)
        if self._room.data_keys is None:
            await self._room.make_first(await self._ceremony(ceremony), cause=cause)
        secrets = self._active(Purpose.SECRETS)
        if self._room.is_strict:
            return Target(_strict_seal(secrets, self._room.otp_objects[0]), SEALED + secrets)
        return Target(SEALED + self._active(Purpose.OTP), SEALED + secrets)

    async def activate(self, target: Target, *, cause: Cause) -> None:
        """Seal under a target from now on. Done once more it does no harm."""
        for kind in Kind:
            key = self._find(target.of(kind))
            if key is not None and key.state is KeyState.PREPARED:
                await self._room.activate(key.key_id, cause=cause)
        if target.otp.startswith(STRICT):
            object_id = int.from_bytes(target.otp[-_OBJECT_OCTETS:], "big")
            if object_id != self._room.otp_objects[0]:
                await self._room.use_otp_object(object_id, cause=cause)

    def resealer(self, target: Target) -> VaultResealer:
        """Return what brings records under a target that is active."""
        rings = self._room.rings
        # Vaults of its own: what a walk opens shall not push out what verifications use.
        sealed = SealedVault(rings, opened=1)
        if not self._room.is_strict:
            return VaultResealer(sealed, sealed, target)
        rewrapper = _Lent(self._room, self._data)

        async def rewrap(binding: OtpKeyBinding, record: bytes) -> bytes:
            return await self._room.rebind(binding, record, rewrapper)

        return VaultResealer(sealed, self._room.vault, target, rewrap=rewrap)

    async def lend(self, ceremony: Path) -> None:
        """Take the ceremony's secret for a rotation that goes on. GoalError."""
        self._room.lent = await self._ceremony(ceremony)

    def settled(self) -> None:
        """Give back what was lent: no rotation goes on any more."""
        self._room.lent = None

    async def destroy(self, kind: Kind, seals: Collection[bytes], *, cause: Cause) -> None:
        """Forget keys whose seals are retired. Done once more it does no harm."""
        for key in self._usable():
            if key.purpose is not _PURPOSES[kind] or SEALED + key.key_id not in seals:
                continue
            if key.state is KeyState.ACTIVE:
                # Strict mode: nothing takes the place of the OTP keys' data key.
                await self._room.retire(key.key_id, cause=cause)
            await self._room.destroy(key.key_id, cause=cause)
        if self._room.file_key_id and SEALED + self._room.file_key_id in seals:
            await self._room.forget_file_key(_PURPOSES[kind], cause=cause)

    async def _prepared(self, purpose: Purpose, secret: HsmSecret, cause: Cause) -> bytes:
        for key in self._usable():
            if key.purpose is purpose and key.state is KeyState.PREPARED:
                return key.key_id  # made by a rotation that never began
        return await self._room.prepare(purpose, secret, cause=cause)

    async def _ceremony(self, file: Path | None) -> HsmSecret:
        path = file or self._data.ceremony_secret_file
        try:
            return await asyncio.to_thread(credentials.load, path, "ceremony")
        except PrivateFileError as error:
            raise GoalError(
                f"new keys take the ceremony's secret: {error} Name its file, for as long as it"
                " takes: --ceremony-secret FILE"
            ) from None

    def _active(self, purpose: Purpose) -> bytes:
        keys = self._room.data_keys
        active = None if keys is None else keys.active(purpose)
        if active is None:
            raise GoalError(
                "the vault has no data key for OTP keys: they were moved into the HSM, which gives"
                ' none of them away. Set hsm.mode = "strict" again'
            )
        return active.key_id

    def _usable(self) -> tuple[DataKey, ...]:
        keys = self._room.data_keys
        return () if keys is None else keys.usable

    def _find(self, seal: bytes) -> DataKey | None:
        """Return the data key of a seal, or of what binds AEADs in it."""
        key_id = seal[1 : 1 + KEY_ID_OCTETS]
        return next((key for key in self._usable() if key.key_id == key_id), None)

    def _shown(self, key: DataKey) -> Sequence[HeldKey]:
        kind = Kind.OTP if key.purpose is Purpose.OTP else Kind.SECRETS
        shown = [HeldKey(kind, SEALED + key.key_id, "data key", key.state.value)]
        if self._room.is_strict and kind is Kind.SECRETS:
            for at, object_id in enumerate(self._room.otp_objects):
                # Which key binds an AEAD, and which one it is sealed under: the worse of the two.
                state = KeyState.RETIRED if at else key.state
                seal = _strict_seal(key.key_id, object_id)
                shown.append(HeldKey(Kind.OTP, seal, "key in the HSM", state.value))
        return shown


class _Lent:
    """Rewraps with the ceremony's secret, lent by whoever began, or where it lies first."""

    def __init__(self, room: KeyRoom, data: DataDirectory) -> None:
        self._room = room
        self._data = data

    async def rewrap(self, source: int, target: int, aead: bytes) -> bytes:
        """Return an AEAD under another object. VaultError when there is no secret, DeviceError."""
        secret = self._room.lent
        if secret is None:
            file = self._data.ceremony_secret_file
            try:
                secret = await asyncio.to_thread(credentials.load, file, "ceremony")
            except PrivateFileError as error:
                raise VaultError(
                    "the rotation waits for the ceremony's secret, which it began with and which"
                    f" this process does not have: {error} Lend it again: keystead vault rotate"
                    " --ceremony-secret FILE"
                ) from None
            self._room.lent = secret
        return await (await self._room.rewrapper(secret)).rewrap(source, target, aead)


def _strict_seal(binding_key: bytes, object_id: int) -> bytes:
    """Return what strict records begin with (`hsm.seals`)."""
    return STRICT + binding_key + object_id.to_bytes(_OBJECT_OCTETS, "big")
