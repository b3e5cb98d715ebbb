"""A keeper of the vault's keys in memory: rings that grow, turn and shrink as the real ones do."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from hsm.keyfile import SealingKey
from hsm.rings import KeyRing, Rings
from hsm.sealed_vault import SealedVault
from hsm.seals import SEALED
from server.journal.acts import Cause
from server.resealing.ports import GoalError, HeldKey, Kind, Target
from server.resealing.vault_resealer import VaultResealer


def a_key(number: int) -> SealingKey:
    return SealingKey.of(number.to_bytes(32, "big"))


class MemoryKeys:
    """Keeps `server.resealing.ports.Keys`. vault: what a service works with.

    strike: called at each step that changes something, before and after; it may raise.
    """

    def __init__(self, *, strike: Callable[[], None] = lambda: None) -> None:
        self._made = 0
        self._strike = strike
        self.rings = Rings(KeyRing(self._next()), KeyRing(self._next()))
        self.vault = SealedVault(self.rings)
        self.prepared: dict[Kind, SealingKey] = {}
        self.settle_s = 0.0
        self.lent: Path | None = None
        self.destroyed: list[bytes] = []

    def held(self) -> Sequence[HeldKey]:
        return [
            HeldKey(kind, SEALED + key.key_id, "data key", "active" if key is ring.active else "x")
            for kind, ring in zip(Kind, self.rings, strict=True)
            for key in ring.keys
        ]

    async def renew(self, *, ceremony: Path | None, cause: Cause) -> Target:
        del cause
        if ceremony is not None:
            raise GoalError(f"{ceremony} is not there")
        for kind in Kind:
            if kind not in self.prepared:
                self.prepared[kind] = self._next()
                self._take(self._ring(kind).with_others(self.prepared[kind]), kind)
        return Target(*(SEALED + self.prepared[kind].key_id for kind in Kind))

    async def adopt(self, *, ceremony: Path | None, cause: Cause) -> Target:
        del ceremony, cause
        active = [ring.active for ring in self.rings]
        return Target(*(SEALED + key.key_id for key in active if key is not None))

    async def activate(self, target: Target, *, cause: Cause) -> None:
        del cause
        for kind in Kind:
            key = self.prepared.get(kind)
            if key is not None and SEALED + key.key_id == target.of(kind):
                self._strike()
                others = tuple(one for one in self._ring(kind).keys if one != key)
                self._take(KeyRing(key, others), kind)
                del self.prepared[kind]
                self._strike()

    def resealer(self, target: Target) -> VaultResealer:
        vault = SealedVault(self.rings, opened=1)
        return VaultResealer(vault, vault, target)

    async def lend(self, ceremony: Path) -> None:
        self.lent = ceremony

    def settled(self) -> None:
        self.lent = None

    async def destroy(self, kind: Kind, seals: Collection[bytes], *, cause: Cause) -> None:
        del cause
        self._strike()
        ring = self._ring(kind)
        gone = [key for key in ring.others if SEALED + key.key_id in seals]
        self.destroyed += [SEALED + key.key_id for key in gone]
        self._take(ring._replace(others=tuple(k for k in ring.others if k not in gone)), kind)
        self._strike()

    def _ring(self, kind: Kind) -> KeyRing:
        return self.rings.otp if kind is Kind.OTP else self.rings.secrets

    def _take(self, ring: KeyRing, kind: Kind) -> None:
        changed = {"otp": ring} if kind is Kind.OTP else {"secrets": ring}
        self.rings = self.rings._replace(**changed)
        self.vault.take(self.rings)

    def _next(self) -> SealingKey:
        self._made += 1
        return a_key(self._made)
