"""Reads a file through the `gpg` program when it is encrypted: from a pipe, never by a disk."""

import io
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from server.programs.exits import CommandError

_ARMOUR = b"-----BEGIN PGP"
_BINARY = 0x80
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file's octets, decrypted if need be; CommandError.

    Leaving without an exception tells that all of it was right: gpg ends with success only
    after it has checked that nothing was altered or cut off.
    """
    try:
        stream = path.open("rb", buffering=0)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error
    with stream:
        # A file is opened once: what a pipe (`--keys <(...)`) has said it does not say again.
        whole = io.BufferedReader(stream) if not stream.seekable() else None
        begin = whole.peek(len(_ARMOUR)) if whole else stream.read(len(_ARMOUR))
        if whole:
            if _is_encrypted(begin):
                raise CommandError(
                    f"{path} is a pipe with something encrypted; name the encrypted file itself, or"
                    " let gpg write into the pipe"
                )
            yield whole
            return
        stream.seek(0)
        if not _is_encrypted(begin):
            yield stream
            return
        with _decrypted(path, stream) as plain:
            yield plain


def _is_encrypted(begin: bytes) -> bool:
    """Tell whether a file is an OpenPGP message, by how it begins."""
    if begin.startswith(_BYTE_ORDER_MARK):
        return False
    return begin.startswith(_ARMOUR) or bool(begin and begin[0] & _BINARY)


@contextmanager
def _decrypted(path: Path, stream: IO[bytes]) -> Iterator[IO[bytes]]:
    program = shutil.which("gpg")
    if program is None:
        raise CommandError(f"{path} is encrypted, and there is no gpg here: install GnuPG")
    # What gpg has to say about keys and signatures goes to the terminal, where its agent asks
    # for the passphrase too.
    gpg = subprocess.Popen(  # noqa: S603 - the program that the operator has
        [program, "--quiet", "--decrypt"], stdin=stream, stdout=subprocess.PIPE
    )
    if gpg.stdout is None:
        raise RuntimeError("a pipe was asked for")
    try:
        with gpg.stdout:
            yield gpg.stdout
    except BaseException:
        gpg.kill()
        gpg.wait()
        raise
    if gpg.wait() != 0:
        raise CommandError(
            f"gpg refused {path} (exit code {gpg.returncode}, its reason stands above);"
            " nothing was imported. Without the key it was encrypted to, or the public key of who"
            " signed it, it cannot be trusted"
        )
