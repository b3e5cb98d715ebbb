"""Copies of checkpoints in the data directory: one line each, appended, never rewritten.

Whoever may write to the database, and perhaps to nothing else, cannot take back what stands
here; `keystead journal verify` holds the store's journal against it.
"""

import os
from pathlib import Path

from server.journal.canonical import MalformedError
from server.journal.checkpoint import Checkpoint
from server.journal.export import line_of


class CheckpointFile:
    """Keeps `server.journal.ports.Witness`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, checkpoint: Checkpoint) -> None:
        """Append a copy; durable when this returns. Raises OSError."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(self._path, flags, 0o600)
        try:
            # In one write, so that a line is there as a whole or not at all. It begins with a
            # line feed if the one before was cut off when the disk was full.
            torn = b"\n" if self._is_torn() else b""
            os.write(file, torn + line_of(checkpoint.to_json()))
            os.fsync(file)
        finally:
            os.close(file)

    def read(self) -> list[Checkpoint]:
        """Return all that is kept. Half a line, which a power cut can leave, is passed over."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        kept = []
        for line in lines:
            try:
                kept.append(Checkpoint.parse(line))
            except MalformedError:
                continue
        return kept

    def _is_torn(self) -> bool:
        with self._path.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
