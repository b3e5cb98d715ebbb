"""The key file: the sealing key that the file vault keeps everything under.

Three lines of text, so that a person can see what the file is and print a copy of it:

    keystead-sealing-key-v1
    <key id: 8 hexadecimal digits>
    <key: 64 hexadecimal digits>

The key id is a hash of the key: it names the key in every record, and tells a damaged file
from a whole one. Whoever can read this file and the database has every secret in it; whoever
loses this file has lost them all.
"""

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

from hsm import privatefile
from hsm.privatefile import PrivateFileError

KEY_OCTETS = 32
KEY_ID_OCTETS = 4

_MAGIC = "keystead-sealing-key-v1"
_FORMAT = re.compile(rf"{_MAGIC}\n([0-9a-f]{{8}})\n([0-9a-f]{{64}})\n")
_FILE_OCTETS = len(_MAGIC) + 1 + 2 * KEY_ID_OCTETS + 1 + 2 * KEY_OCTETS + 1


KeyFileError = PrivateFileError
"""The key file cannot be used. The message says why and what to do."""


class SealingKey(NamedTuple):
    """The key that seals records. key: 32 octets; key_id: 4 octets, derived from it."""

    key_id: bytes
    key: bytes

    def __repr__(self) -> str:
        """Show the id, which every record holds, never the key."""
        return f"SealingKey({self.key_id.hex()}, <hidden>)"

    @classmethod
    def of(cls, key: bytes) -> Self:
        """Name a key of 32 octets (ValueError otherwise)."""
        if len(key) != KEY_OCTETS:
            raise ValueError(f"a sealing key has {KEY_OCTETS} octets")
        return cls(hashlib.sha256(b"keystead sealing key id\0" + key).digest()[:KEY_ID_OCTETS], key)

    def format(self) -> str:
        """Return the text of the key file."""
        return f"{_MAGIC}\n{self.key_id.hex()}\n{self.key.hex()}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a key file; ValueError when it is none or damaged."""
        if not text.startswith(_MAGIC):
            raise ValueError(f"its first line is not {_MAGIC!r}")
        match = _FORMAT.fullmatch(text)
        if match is None:
            raise ValueError("it is cut off or altered")
        sealing_key = cls.of(bytes.fromhex(match[2]))
        if sealing_key.key_id.hex() != match[1]:
            raise ValueError("the key does not match its id: it is damaged")
        return sealing_key


def create(path: Path, *, randomness: Callable[[int], bytes] = os.urandom) -> SealingKey:
    """Make a new key file, mode 0600, durable on return. Never replaces anything.

    The folder must exist. Raises KeyFileError.
    """
    sealing_key = SealingKey.of(randomness(KEY_OCTETS))
    privatefile.create(
        path,
        sealing_key.format().encode("ascii"),
        unless_lost="the records sealed under it would be lost. Use it, or move it away if it"
        " sealed nothing.",
    )
    return sealing_key


def load(path: Path) -> SealingKey:
    """Read a key file that nobody else can read or replace.

    Raises KeyFileError when it is absent, a symbolic link, not a plain file, owned by another
    user, open to group or others, or not a whole key file.
    """
    content = privatefile.read(
        path,
        _FILE_OCTETS,
        when_absent="Restore it from its backup: without it no stored key opens. "
        "On a new installation `keystead init` makes it.",
        when_open="if strangers could read it, treat the keys in the database as known to them",
    )
    try:
        return SealingKey.parse(content.decode("ascii", "replace"))
    except ValueError as error:
        raise KeyFileError(
            f"{path} is not a usable key file: {error}. Restore it from its backup."
        ) from None
