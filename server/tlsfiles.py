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


class Pem(NamedTuple):
    """What the files held when they were read; `key` is a secret."""

    certificate: bytes
    key: bytes
    client_ca: bytes | None = None

    def __repr__(self) -> str:
        """Leave everything out."""
        return "Pem(<hidden>)"


class Handed(NamedTuple):
    """What a process gives to another that shows the same certificate. seen: the files' stamp then.

    It is kept in memory and sent over a socket between the two, never written anywhere.
    """

    pem: Pem
    seen: Stamp


def stamp(files: TlsFiles) -> Stamp:
    """Return what changes when a file is replaced or written; () stands for a missing one."""
    return tuple(_stamp(file) for file in files.all)


def _stamp(file: Path) -> tuple[int, ...]:
    try:
        status = file.stat()
    except OSError:
        return ()
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode)
