"""Start a program under a unit's system call filter, as systemd would.

confine.py UNIT COMMAND..., run by the machine's own Python, with libseccomp, which systemd uses
too. SystemCallFilter= with SystemCallErrorNumber=EPERM, and MemoryDenyWriteExecute=: a filter that
forbids what the service does shows here, and not when an operator starts it.
"""

import ctypes
import errno
import mmap
import os
import subprocess
import sys
from pathlib import Path

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_MASKED_EQUAL = 7
_ALWAYS = {"execve", "exit", "exit_group", "getrlimit", "rt_sigreturn", "sigreturn"}
"""systemd.exec(5): whatever an allow list says."""


class _Compare(ctypes.Structure):
    """libseccomp's struct scmp_arg_cmp: argument number, operator, mask, value."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def calls_of(name: str) -> set[str]:
    """Return the system calls of a group, as this systemd has it; of groups in it too."""
    if not name.startswith("@"):
        return {name}
    told = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager", name],
        capture_output=True,
        text=True,
        check=True,
    )
    words = (line.strip() for line in told.stdout.splitlines()[1:])
    return set[str]().union(*(calls_of(word) for word in words if word and word[0] != "#"))


def allowed(filters: list[str]) -> set[str]:
    """Return what is allowed by the values of SystemCallFilter=, in order; "~" takes away."""
    found = calls_of("@default")
    for value in filters:
        named = set[str]().union(*map(calls_of, value.removeprefix("~").split()))
        found = found - named if value.startswith("~") else found | named
    return found | _ALWAYS


def confine(calls: set[str]) -> None:
    """Put this process under the filter, and whatever it becomes."""
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(_ERRNO | errno.EPERM)))
    writable_and_executable = mmap.PROT_WRITE | mmap.PROT_EXEC
    guarded = {
        # Executable memory comes from files only, and is never writable.
        "mmap": [(2, writable_and_executable, bits) for bits in (0, 2, 4)],
        "mprotect": [(2, mmap.PROT_EXEC, 0)],
    }
    for name in sorted(calls):
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            continue  # of another architecture
        for arg, mask, value in guarded.get(name, [(None, 0, 0)]):
            compare = [] if arg is None else [_Compare(arg, _MASKED_EQUAL, mask, value)]
            rules = (_Compare * len(compare))(*compare)
            added = seccomp.seccomp_rule_add_array(
                context, ctypes.c_uint32(_ALLOW), number, len(compare), rules
            )
            if added:
                raise OSError(-added, f"no rule for {name}")
    if loaded := seccomp.seccomp_load(context):
        raise OSError(-loaded, "the filter was not loaded")


if __name__ == "__main__":
    lines = Path(sys.argv[1]).read_text().splitlines()
    confine(
        allowed([line.split("=", 1)[1] for line in lines if line.startswith("SystemCallFilter=")])
    )
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - what this script is for
