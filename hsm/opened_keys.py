"""Opened keys in memory: at most so many, and once it is full only of YubiKeys that come again.

Making a cipher of a key costs about ten times what opening an OTP with it does, so what is used
again should stay. In a fleet far larger than the limit hardly any key comes back in time: there
each one that entered would push out another, for nothing, through memory that no cache of the
processor holds. So a key that finds no room has to come twice before others leave for it. That
also keeps a walk through many keys from emptying the memory of those in use.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

from hsm.vault import OtpKeyBinding

Opened = TypeVar("Opened")

_SLOTS_PER_KEY = 8
"""One of eight newcomers passes for one that came before: enough to tell, in little memory."""


class OpenedKeys(Generic[Opened]):
    """A map from a key to what was opened of it. limit: how many entries, at least one."""

    __slots__ = ("_entries", "_limit", "_seen", "_seen_count")

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError("at least one opened key must be kept")
        self._limit = limit
        self._entries: OrderedDict[OtpKeyBinding, Opened] = OrderedDict()
        self._seen = bytearray(_SLOTS_PER_KEY * limit)
        self._seen_count = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, binding: OtpKeyBinding) -> Opened | None:
        """Return what is kept of a key, which counts as a use, or None."""
        opened = self._entries.get(binding)
        if opened is not None:
            self._entries.move_to_end(binding)
        return opened

    def offer(self, binding: OtpKeyBinding, opened: Opened) -> None:
        """Keep an opened key if there is room, or if it was offered a short while ago already."""
        entries = self._entries
        if len(entries) < self._limit or binding in entries:
            entries[binding] = opened
            entries.move_to_end(binding)
        elif self._was_here(binding):
            entries[binding] = opened
            entries.popitem(last=False)

    def _was_here(self, binding: OtpKeyBinding) -> bool:
        """Tell whether a key was offered since as many others were; note that it is here.

        By its hash, which is keyed anew in every process: nobody can choose keys that collide.
        """
        slot = hash(binding) % len(self._seen)
        if self._seen[slot]:
            return True
        self._seen[slot] = 1
        self._seen_count += 1
        if self._seen_count >= self._limit:
            self._seen = bytearray(len(self._seen))
            self._seen_count = 0
        return False
