"""Keeping a serving process's memory to itself: no core files, no other process looking in."""

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def keep_memory_private() -> None:
    """Forbid core dumps, and on Linux also ptrace and /proc/PID/mem for the same user.

    Keys are in memory while the service runs; a crash must not write them to a disk.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        # Best effort by design: a kernel that refuses leaves us where any program is.
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
