"""Where the bench speaks: plain lines on standard output, as they happen."""

import sys


def say(line: str) -> None:
    """Print one line at once, also into a pipe."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
