"""Which files a TLS listener has. What is in them is `tls`'s, which takes its time to import."""

from pathlib import Path
from typing import NamedTuple, TypeAlias

Stamp: TypeAlias = tuple[tuple[int, ...], ...]
"""Tells versions of files apart."""


class TlsError(Exception):
    """The files cannot be used. The message names the file, the reason and what to do."""


class TlsFiles(NamedTuple):
    """Where a listener's certificate lies.

    certificate: PEM, the server's own first, then what leads to the authority; key: PEM, not
    encrypted; client_ca: PEM, the authorities of client certificates, which become necessary.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file there is."""
        found = (self.certificate, self.key, self.client_ca)
        return tuple(file for file in found if file is not None)


def stamp(files: TlsFiles) -> Stamp:
    """Return what changes when a file is replaced or written; () stands for a missing one."""
    return tuple(_stamp(file) for file in files.all)


def _stamp(file: Path) -> tuple[int, ...]:
    try:
        status = file.stat()
    except OSError:
        return ()
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode)
