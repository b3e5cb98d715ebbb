"""How an import makes way for verifications in the same process.

Reading a million lines takes a minute of Python. Between two slices of a millisecond the event
loop serves whoever waits; now and then the import sleeps, so that threads which decide batches
find the interpreter free. And those threads need not wait for it as long as they usually would.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SLICE = 32
"""Lines between two turns of the event loop."""

_SLICES = 4
_SLEEP_S = 0.001
_SWITCH_S = 0.0005
"""A thread that wants the interpreter gets it after this long; a tenth of Python's default."""


async def make_way(line: int) -> None:
    """Let others have their turn, if the count of lines says that it is time."""
    if line % SLICE == 0:
        await asyncio.sleep(_SLEEP_S if line % (SLICE * _SLICES) == 0 else 0)


@contextmanager
def courteous() -> Iterator[None]:
    """Hand the interpreter over quickly while the context lasts."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(min(usual, _SWITCH_S))
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
