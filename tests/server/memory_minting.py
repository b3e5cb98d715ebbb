"""Minted keys in memory, for the store that keeps every port there."""

from hsm.provisioning.key_states import KeyState
from hsm.provisioning.release_states import KeptRelease
from server.clock import Clock
from server.journal.acts import Act, State, Subject
from server.otp.ports import Advance, KeyExistsError, NewKey
from server.otp.states import key_subject
from server.provisioning.ports import MintedKey
from server.provisioning.states import minted_state, refuse_illegal


class MemoryMinting:
    """MintingBook on a dictionary."""

    _clock: Clock

    def __init__(self) -> None:
        super().__init__()
        self._minted: dict[tuple[str, int], MintedKey] = {}
        self.spent_aeads = 0

    def _write_down(
        self, act: Act, subject: Subject, before: State | None, after: State | None
    ) -> None:
        raise NotImplementedError

    def _bring(self, key: NewKey) -> None:
        """Add an inactive key; KeyExistsError, StaleSealError."""
        raise NotImplementedError

    def _activate(self, public_id: str, counters: Advance) -> None:
        raise NotImplementedError

    def _destroy(self, public_id: str) -> bytes:
        """Remove a key and its counters; return its record."""
        raise NotImplementedError

    async def add_minted(self, key: NewKey, kept: KeptRelease, *, act: Act) -> MintedKey:
        before = await self.minted_key(key.public_id)
        generation = kept.context.generation
        if before is not None and (before.state, before.kept.context.generation) != (
            KeyState.DESTROYED,
            generation - 1,
        ):
            raise KeyExistsError(key.public_id)
        self._bring(key)
        made = MintedKey(kept, KeyState.PRE_ACTIVATION, self._clock.now_us())
        self._write_down(act, key_subject(key.public_id), None, minted_state(made))
        self._minted[key.public_id, generation] = made
        return made

    async def minted_key(self, public_id: str) -> MintedKey | None:
        found = [one for place, one in sorted(self._minted.items()) if place[0] == public_id]
        return found[-1] if found else None

    async def change_minted(
        self, before: MintedKey, after: MintedKey, *, counters: Advance | None = None, act: Act
    ) -> bool:
        refuse_illegal(before, after)
        place = (before.public_id, before.kept.context.generation)
        if self._minted.get(place) != before:
            return False
        if after.state is not before.state:
            if after.state is KeyState.DESTROYED:
                self.spent_aeads += self._destroy(before.public_id).startswith(b"\x02")
            else:
                assert after.state is KeyState.ACTIVE
                assert counters is not None
                self._activate(before.public_id, counters)
        self._minted[place] = after
        subject = key_subject(before.public_id)
        self._write_down(act, subject, minted_state(before), minted_state(after))
        return True
