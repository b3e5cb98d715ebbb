"""Files of the reference server on their way to the admin API: whole lines in bounded pieces."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

from server.programs.exits import CommandError
from server.programs.gnupg import opened

MAX_OCTETS = 1 << 30
"""Octets of a file, after decryption."""

_BLOCK = 128 * 1024

Tell = Callable[[int], None]


def pieces(files: Mapping[str, Path], tell: Tell) -> Iterator[bytes]:
    """Yield the body of an import: pieces of each file behind a line `NAME OCTETS`, then `end`.

    tell: called with the number of octets read from each piece. CommandError for a file that
    cannot be read to its end.
    """
    for name, path in files.items():
        yield f"{name} 0\n".encode()  # that it comes, also when it is empty
        with opened(path) as stream:
            for piece in _whole_lines(path, stream):
                yield f"{name} {len(piece)}\n".encode() + piece
                tell(len(piece))
    yield b"end\n"


def _whole_lines(path: Path, stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    octets = 0
    while block := stream.read(_BLOCK):
        octets += len(block)
        if octets > MAX_OCTETS:
            raise CommandError(f"{path} is larger than 1 GiB: split it")
        whole, newline, rest = (rest + block).rpartition(b"\n")
        if newline:
            yield whole + newline
        elif len(rest) > _BLOCK:
            raise CommandError(
                f"{path} has a line longer than {_BLOCK:,} octets; is this the right file?"
            )
    if rest:
        yield rest + b"\n"
