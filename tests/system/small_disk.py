"""A disk that is full when a test says so."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

_OCTETS = 12 * 1024 * 1024


class SmallDisk:
    """A file system of 12 MB, mounted at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave not one octet free."""
        with self._filler.open("ab", buffering=0) as filler:
            for size in (1 << 16, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        filler.write(b"\0" * size)

    def make_room(self) -> None:
        """Give the space back."""
        self._filler.unlink()


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Mount a small disk at `folder` (mode 0700); skips who may not mount, as .ci/run may."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_OCTETS},mode=0700", "tmpfs", str(folder)]
    ended = subprocess.run(mount, capture_output=True, text=True, check=False)
    if ended.returncode:
        reason = f"a disk that is full needs the right to mount one: {ended.stderr.strip()}"
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        yield SmallDisk(folder)
    finally:
        # Lazily: a service killed a moment ago may not have let go yet.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
