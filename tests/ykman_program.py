"""Yubico's own command line, as a peer: it reads keys through PC/SC by code that is not ours."""

import os
import subprocess
import sys
from pathlib import Path

_WITHIN_S = 60.0


def ykman(*words: str, reader: str = "") -> str:
    """Run it on what is in a reader, else on all keys; returns what it says, raises when it fails.

    It is told not to ask for exclusive use, so that others may be connected.
    """
    program = Path(sys.executable).parent / "ykman"
    chosen = ("--reader", reader) if reader else ()
    done = subprocess.run(
        [program, *chosen, *words],
        env={**os.environ, "YKMAN_NO_EXLUSIVE": "1"},  # so spelled there
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"ykman {' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout
