"""The key room: what this process's vault holds, where that comes from, who else is told.

An installation has its keys either in a key file (one key for everything), or wrapped in its
store and unwrapped by its HSM. While it moves from the one to the other it has both.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, TypeAlias

import structlog

from hsm.data_keys import DataKeyError, DataKeys
from hsm.keyfile import SealingKey
from hsm.rings import Purpose, Rings
from hsm.sealed_vault import SealedVault
from hsm.vault import OtpKeyBinding, RevealingVault
from server.handed_keys import HandedKeys, OpenKeys
from server.journal.acts import Act, Cause
from server.provisioning.ports import MintError
from server.resealing.progress import Progress
from server.storage.data_keys import (
    Change,
    change_data_keys,
    first_data_keys,
    stored_data_keys,
)
from server.storage.identity import (
    Meta,
    bind_hsm,
    release_key_file,
    store_otp_object,
    stored_otp_object,
)

if TYPE_CHECKING:
    from hsm.credentials import HsmSecret
    from hsm.provisioning.entropy import MixedRandomness
    from hsm.provisioning.rewrap import DeviceRewrapper, Rewrapper
    from server.config import Config
    from server.datadir import DataDirectory
    from server.hsm_host import HsmHost

_log = structlog.stdlib.get_logger(__name__)

Listener: TypeAlias = Callable[[HandedKeys], Awaitable[None]]
"""Is told of other keys, and returns when everybody whom it answers for has them."""

Beginning: TypeAlias = Callable[["HsmHost"], Awaitable[None]]
"""Begins what takes the HSM."""

LOOK_EVERY_S = 5.0
"""How often another machine's changes of the data keys are looked for."""


class KeyRoom:
    """The rings of a process that owns the store, and the desk at which data keys change.

    file_key: of an installation of before there were HSMs, or in the middle of moving.
    """

    def __init__(
        self,
        store: Meta,
        hsm: "HsmHost | None",
        file_key: SealingKey | None,
        *,
        opened: int,
        strict: bool = False,
    ) -> None:
        self._store = store
        self.hsm = hsm
        self._file_key = file_key
        self._keys: DataKeys | None = None
        self._listeners: list[Listener] = []
        self._begin_late: Beginning | None = None
        self._turn = asyncio.Lock()
        self.rings = Rings() if file_key is None else Rings.single(file_key)
        self._file_purposes = frozenset(Purpose)
        self._is_strict = strict
        self._sealed = SealedVault(self.rings, opened=opened)
        self._held = OpenKeys(self._sealed)
        self._sessions = AsyncExitStack()
        self._rewrapper: DeviceRewrapper | None = None
        self._random: MixedRandomness | None = None
        self.lent: HsmSecret | None = None
        """The ceremony's secret, while a rotation in the HSM goes on."""
        self.progress = Progress()
        """How far a rotation is that this process works at."""

    @property
    def vault(self) -> RevealingVault:
        """The vault of this process."""
        return self._held.vault

    @property
    def data_keys(self) -> DataKeys | None:
        """The store's data keys as they were read last; None: a key file seals everything."""
        return self._keys

    @property
    def file_key_id(self) -> bytes:
        """The id of the key file's key, nothing without one."""
        return b"" if self._file_key is None else self._file_key.key_id

    @property
    def active_key(self) -> str:
        """The id of the key that seals API keys now, "" when there is none."""
        active = self.rings.secrets.active
        return "" if active is None else active.key_id.hex()

    def hand(self, *, seals: bool = False) -> HandedKeys:
        """Return what another process of this installation gets.

        seals: whether it seals OTP keys, which in strict mode takes a credential of its own.
        """
        if not self._is_strict:
            return HandedKeys(self.rings)
        return HandedKeys(self.rings, self._require_hsm().strict(seals=seals))

    async def close(self) -> None:
        """Let go of the HSM."""
        await self._sessions.aclose()
        if self.hsm is not None:
            self.hsm.close()

    def listen(self, listener: Listener) -> None:
        """Tell somebody of other rings, from now on."""
        self._listeners.append(listener)

    async def with_hsm(self, begin: Beginning) -> None:
        """Begin what takes the HSM: now, or when this process takes one."""
        if self.hsm is None:
            self._begin_late = begin
        else:
            await begin(self.hsm)

    async def open(self) -> None:
        """Fill the rings at the start. VaultError; unavailable when the HSM does not answer."""
        self._keys = await stored_data_keys(self._store)
        if self._keys is not None:
            await self._take(self._keys)
            await self._begin_strict()

    async def _begin_strict(self) -> None:
        if not self._is_strict:
            return
        from server.strict import open_strict  # noqa: PLC0415 - takes the HSM's library

        hsm = self._require_hsm()
        await self._look_for_otp_object()
        strict = hsm.strict(seals=True)
        vault = await open_strict(self._sessions, self._sealed, self.rings, strict, hsm.devices.all)
        self._held = OpenKeys(self._sealed, vault)

    async def make_first(self, ceremony: "HsmSecret", *, cause: Cause) -> bool:
        """Make the data keys of a store that has none, and take them; False when it has some.

        They seal from now on; what a key file sealed before, its key goes on opening.
        """
        async with self._turn:
            if await stored_data_keys(self._store) is not None:
                return False
            hsm = self._require_hsm()
            made = await asyncio.to_thread(hsm.make_data_keys, list(Purpose), ceremony)
            keys = DataKeys()
            for key in made:
                keys = keys.with_new(key).activated(key.key_id)
            stands = await first_data_keys(self._store, keys, cause.act("data_key.make"))
            await bind_hsm(self._store, cause=cause)
            await self._take(stands)
            await self._begin_strict()
            return True

    async def prepare(self, purpose: Purpose, ceremony: "HsmSecret", *, cause: Cause) -> bytes:
        """Make one more data key; every process has it on return. Returns its id."""
        hsm = self._require_hsm()
        (made,) = await asyncio.to_thread(hsm.make_data_keys, [purpose], ceremony)
        await self._change(lambda keys: keys.with_new(made), cause.act("data_key.make"))
        return made.key_id

    async def activate(self, key_id: bytes, *, cause: Cause) -> None:
        """Seal with a prepared key from now on; the one before opens only."""
        await self._change(lambda keys: keys.activated(key_id), cause.act("data_key.activate"))

    async def retire(self, key_id: bytes, *, cause: Cause) -> None:
        """Seal nothing more with a key that gets no successor."""
        await self._change(lambda keys: keys.retired(key_id), cause.act("data_key.retire"))

    async def destroy(self, key_id: bytes, *, cause: Cause) -> None:
        """Forget a key: the caller has made sure that no record is sealed with it."""
        await self._change(lambda keys: keys.destroyed(key_id), cause.act("data_key.destroy"))

    @property
    def is_strict(self) -> bool:
        """Whether OTP keys are in the HSM."""
        return self._is_strict

    @property
    def otp_objects(self) -> tuple[int, ...]:
        """The HSM's objects that seal OTP keys in strict mode: the one of now, those of before."""
        hsm = self._require_hsm()
        first = hsm.manifest.object("otp").id
        return tuple(range(hsm.otp_key, first - 1, -1))

    async def next_otp_object(self, ceremony: "HsmSecret") -> int:
        """Return the object that takes the place of the one that seals now. VaultError."""
        return await asyncio.to_thread(self._require_hsm().next_otp_key, ceremony)

    async def use_otp_object(self, object_id: int, *, cause: Cause) -> None:
        """Seal OTP keys under another object of the HSM from now on, on all machines."""
        hsm = self._require_hsm()
        async with self._turn:
            await store_otp_object(self._store, hsm.otp_key, object_id, cause=cause)
            self._take_otp_object(object_id)

    async def _look_for_otp_object(self) -> None:
        if not self._is_strict:
            return
        found = await stored_otp_object(self._store)
        if found is not None and found != self._require_hsm().otp_key:
            self._take_otp_object(found)

    def _take_otp_object(self, object_id: int) -> None:
        from hsm.strict_vault import StrictVault  # noqa: PLC0415 - takes the HSM's library
        from server.strict import binder  # noqa: PLC0415

        self._require_hsm().otp_key = object_id
        vault = self.vault
        if isinstance(vault, StrictVault):
            vault.take(binder(self.rings), object_id)

    async def draw(self, octets: int) -> bytes:
        """Return randomness of the HSM's and this host's, mixed. VaultError, MintError."""
        if self.hsm is None:
            raise MintError(
                "this installation has no HSM, and keys are minted of an HSM's randomness: move to"
                " one with `keystead vault migrate`, then restart"
            )
        from hsm.provisioning.entropy import MixedRandomness  # noqa: PLC0415 - needed here only

        async with self._turn:
            # One for the life of the room: it sees a generator that repeats itself.
            self._random = self._random or MixedRandomness(self.hsm.random)
            return await asyncio.to_thread(self._random, octets)

    async def rewrapper(self, ceremony: "HsmSecret") -> "DeviceRewrapper":
        """Return what rewraps AEADs in the HSM, one for the life of this room."""
        if self._rewrapper is None:
            self._rewrapper = self._require_hsm().rewrapper(ceremony)
            self._sessions.push_async_callback(self._rewrapper.close)
        return self._rewrapper

    async def rebind(self, binding: OtpKeyBinding, record: bytes, rewrapper: "Rewrapper") -> bytes:
        """Return a strict record under the object and the binding key that are active now."""
        from hsm.provisioning.rewrap import rewrapped  # noqa: PLC0415 - takes the HSM's library
        from hsm.strict_vault import StrictVault  # noqa: PLC0415

        vault = self.vault
        if not isinstance(vault, StrictVault):
            raise DataKeyError("the vault is not strict, and opens no record of the HSM's")
        hsm = self._require_hsm()
        return await rewrapped(vault, rewrapper, binding, record, hsm.otp_key)

    async def take_hsm(self, config: "Config", data: "DataDirectory") -> None:
        """Begin to use the HSM of an installation that had none when it started. VaultError."""
        from server.hsm_host import HsmHost  # noqa: PLC0415 - takes the HSM's library

        async with self._turn:
            if self.hsm is not None:
                return  # somebody asked at the same time
            hsm = await asyncio.to_thread(HsmHost.open, config.hsm, data)
            try:
                await asyncio.to_thread(hsm.inspect, production=config.environment == "production")
                if self._begin_late is not None:
                    await self._begin_late(hsm)
            except BaseException:
                hsm.close()
                raise
            self.hsm = hsm

    async def forget_file_key(self, purpose: Purpose, *, cause: Cause) -> None:
        """Open nothing more with the key file's key: no record of this purpose is under it.

        When that is so of both purposes, the store is no longer bound to the file, which may go.
        """
        self._file_purposes -= {purpose}
        if not self._file_purposes:
            await release_key_file(self._store, self.file_key_id, cause=cause)
            self._file_key = None
        if self._keys is not None:
            async with self._turn:
                await self._take(self._keys)

    def leave_file_key(self) -> None:
        """Open nothing with the key file's key: the store needs it no more, though it lies there.

        Who has a copy of that file could otherwise go on making records for this service.
        """
        self._file_key = None
        self.rings = Rings()
        self._held.take(self.rings)

    async def look(self) -> None:
        """See whether another machine changed the data keys, and take them if so. VaultError."""
        async with self._turn:
            found = await stored_data_keys(self._store)
            if found is not None and found != self._keys:
                await self._take(found)
            await self._look_for_otp_object()

    async def watch(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Look again and again, until cancelled. What fails is tried again."""
        while True:
            await sleep(LOOK_EVERY_S)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - serving goes on with what there is
                _log.error("data_keys_not_taken", error=str(error))

    def _require_hsm(self) -> "HsmHost":
        if self.hsm is None:
            raise DataKeyError(
                "this installation has no HSM: its records are sealed by a key file. Move them with"
                " `keystead vault migrate`"
            )
        return self.hsm

    async def _change(self, change: Change, act: Act) -> None:
        async with self._turn:
            await self._take(await change_data_keys(self._store, change, act))

    async def _take(self, keys: DataKeys) -> None:
        """Unwrap what is new, and let everybody have it before anybody seals with it."""
        rings = await self._unwrapped(keys)
        if self._file_key is not None:
            rings = _beside(rings, self._file_key, self._file_purposes)
        earlier, self._keys = self._keys, keys
        if rings == self.rings:
            return
        # Whoever opens has the new keys before whoever seals; and loses none before it has them.
        before, self.rings = self.rings, rings
        try:
            for listener in self._listeners:
                await listener(self.hand())
        except BaseException:
            # Not everybody has them: the next look tells everybody once more.
            self.rings, self._keys = before, earlier
            raise
        self._held.take(rings)

    async def _unwrapped(self, keys: DataKeys) -> Rings:
        # What the store says of a purpose counts only once the HSM has opened the key that says so.
        held = {
            (purpose, key.key_id): key
            for purpose in Purpose
            for key in self.rings.of(purpose).keys
            if key != self._file_key
        }
        if all((key.purpose, key.key_id) in held for key in keys.usable):
            return keys.rings({key.key_id: held[key.purpose, key.key_id] for key in keys.usable})
        return await asyncio.to_thread(self._require_hsm().unwrap, keys)


def _beside(rings: Rings, file_key: SealingKey, purposes: Collection[Purpose]) -> Rings:
    """Return data keys that seal, with a key file's key that opens what it sealed."""
    return Rings(
        *(
            rings.of(purpose).with_others(file_key) if purpose in purposes else rings.of(purpose)
            for purpose in Purpose
        )
    )
