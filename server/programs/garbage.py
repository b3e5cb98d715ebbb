"""The garbage collector, kept off the requests.

What a start leaves behind (imported modules, tables, commands) stays as long as the process.
Looking through all of it again and again for cycles held up every request under way for
20 to 50 ms; that was most of the slowest hundredth under load (docs/performance.md).
"""

import gc

_NEW, _YOUNG, _OLD = 20_000, 50, 100
"""New objects until a collection, those until the next older generation is looked at, and
those until everything is. Requests make no cycles, also refused ones (`server.web.guard` cuts
those that aiohttp makes): what they allocate is freed at once."""


def settle() -> None:
    """Call when the process is ready: what it holds now is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW, _YOUNG, _OLD)
