"""What a serving process asks of the kernel: private memory, enough descriptors."""

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


def allow_open_files(wanted: int) -> None:
    """Raise this process's soft limit of open files to `wanted`, as far as the hard one lets.

    Many systems start programs with 256 or 1,024, fewer than the connections we would hold.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
