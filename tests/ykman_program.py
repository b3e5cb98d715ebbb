"""Yubico's own command line, as a peer: it reads keys through PC/SC by code that is not ours."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_WITHIN_S = 60.0
# Several commands in one start of the program, of which most is the start.
_ONE_AFTER_THE_OTHER = """
import contextlib, io, json, sys
from ykman._cli.__main__ import cli
said = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        cli.main(words, standalone_mode=False)
    said.append(out.getvalue())
print(json.dumps(said))
"""


def ykman(*words: str, reader: str = "") -> str:
    """Run it on what is in a reader, else on all keys; returns what it says, raises when it fails.

    It is told not to ask for exclusive use, so that others may be connected.
    """
    chosen = ("--reader", reader) if reader else ()
    return _said([str(Path(sys.executable).parent / "ykman"), *chosen, *words])


def ykman_in_turn(*commands: str, reader: str) -> list[str]:
    """Run commands ("piv info") on what is in a reader; returns what each says."""
    words = [["--reader", reader, *command.split()] for command in commands]
    said = _said([sys.executable, "-c", _ONE_AFTER_THE_OTHER, json.dumps(words)])
    return [str(one) for one in json.loads(said)]


def _said(command: Sequence[str]) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, "YKMAN_NO_EXLUSIVE": "1"},  # so spelled there
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout
