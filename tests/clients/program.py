"""Runs one client program to its end, without this machine's settings getting in the way."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

LONGEST_S = 30.0
"""A client that takes longer than this hangs; the test fails instead of waiting."""


def run(
    command: Sequence[str],
    *,
    typed: str = "",
    extra: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `command`, type `typed` into it, return its exit code and everything it printed.

    The environment is clean: a proxy set on this machine must not catch a loopback request.
    """
    environment = {"PATH": os.defpath + ":/usr/sbin", "LANG": "C.UTF-8", **(extra or {})}
    return subprocess.run(
        command,
        input=typed,
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
