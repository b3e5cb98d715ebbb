"""The key that signs files of advisories: made and kept by whoever publishes them.

A PEM file (PKCS #8, Ed25519) of mode 0600, which age encrypts under a passphrase: `age -d` opens
it. The key never stands in an argument or in the environment, and the service knows only its other
half. Whoever has it decides what a fleet believes of its keys.
"""

import getpass
import sys
from pathlib import Path

import pyrage  # type: ignore[import-untyped] # the library ships no types

from hsm import privatefile
from hsm.journalkey import JournalKey
from server.programs.exits import CommandError

_MAGIC = b"age-encryption.org/v1\n"
_FILE_OCTETS = 16_384
_SHORTEST = 12
_ABSENT = "Make one with `keystead fleet advisories keygen`"
_OPEN = "if strangers could read it, make a new one, and have the old one taken out of all services"


def create(path: Path, passphrase: str | None) -> bytes:
    """Make a key file, durable on return; return the public key. CommandError, PrivateFileError.

    passphrase: None leaves the file as it is, for machines that encrypt it themselves.
    """
    key = JournalKey.generate()
    text = key.format()
    if passphrase is not None:
        if len(passphrase) < _SHORTEST:
            raise CommandError(
                f"the passphrase has fewer than {_SHORTEST} characters: take several words by dice"
            )
        text = pyrage.passphrase.encrypt(text, passphrase)
    privatefile.create(path, text, unless_lost="who signs with it would be known to nobody.")
    return key.public_key


def is_encrypted(path: Path) -> bool:
    """Tell whether a key file needs a passphrase. PrivateFileError."""
    return _read(path).startswith(_MAGIC)


def load(path: Path, passphrase: str | None) -> JournalKey:
    """Read a key file. CommandError, PrivateFileError."""
    text = _read(path)
    if text.startswith(_MAGIC):
        if passphrase is None:
            raise CommandError(f"{path} is encrypted: give its passphrase")
        try:
            text = pyrage.passphrase.decrypt(text, passphrase)
        except pyrage.DecryptError:
            raise CommandError(f"the passphrase of {path} is wrong, or the file damaged") from None
    try:
        return JournalKey.parse(text)
    except ValueError as error:
        raise CommandError(f"{path} is no key that signs: {error}") from None


def read_passphrase(file: Path | None, *, twice: bool = False) -> str:
    """Return a passphrase: a private file's first line, or what is typed. CommandError."""
    if file is not None:
        text = privatefile.read(file, _FILE_OCTETS, when_absent="Write it there", when_open=_OPEN)
        return text.decode("utf-8", "replace").partition("\n")[0]
    if not sys.stdin.isatty():
        raise CommandError("nobody is here to type the passphrase: name its file, mode 0600")
    typed = getpass.getpass("Passphrase: ")
    if twice and getpass.getpass("Again: ") != typed:
        raise CommandError("the two are not the same")
    return typed


def _read(path: Path) -> bytes:
    return privatefile.read(path, _FILE_OCTETS, when_absent=_ABSENT, when_open=_OPEN)
