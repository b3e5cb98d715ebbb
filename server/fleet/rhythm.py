"""How often something is begun: at once after a rest, and else not sooner than a while later."""

import asyncio
from collections.abc import Callable


class Rhythm:
    """Beats with `apart_s` between at the least. monotonic: seconds."""

    def __init__(self, apart_s: float, monotonic: Callable[[], float]) -> None:
        self._apart_s = apart_s
        self._monotonic = monotonic
        self._next = float("-inf")

    async def beat(self) -> None:
        """Wait for the next beat."""
        left = self._next - self._monotonic()
        if left > 0:
            await asyncio.sleep(left)
        self._next = self._monotonic() + self._apart_s
