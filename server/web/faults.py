"""How a door writes down an exception nobody foresaw: its type and where, never its words.

An exception's message and a frame's variables quote what was being worked on: here a query
with an OTP and a signature. File, line and function are enough to find the fault.
"""

import traceback

_DEEPEST = 20
"""The innermost frames tell most; a recursion would fill the log."""


def describe_fault(fault: BaseException) -> dict[str, object]:
    """Return the fields of a log line: the types along the chain of causes, and the frames."""
    kinds: list[str] = []
    seen: BaseException | None = fault
    while seen is not None and len(kinds) < _DEEPEST:
        kinds.append(f"{type(seen).__module__}.{type(seen).__qualname__}")
        seen = seen.__cause__ or seen.__context__
    frames = [
        f"{frame.f_code.co_filename}:{line} {frame.f_code.co_qualname}"
        for frame, line in traceback.walk_tb(fault.__traceback__)
    ]
    return {"exception": kinds, "frames": frames[-_DEEPEST:]}
