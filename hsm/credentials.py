"""What the roles log in with: keys that follow from a secret, so that one file holds them all.

Two secrets of one form. The *host's* (`secrets/hsm.key`) makes the credentials of the roles that
the running service has; the *ceremony's*, which lies in a safe, those that may change a device.
Three lines of text, so that a person can see what the file is and print a copy of it:

    keystead-hsm-secret-v1 host
    <id: 8 hexadecimal digits>
    <secret: 64 hexadecimal digits>
"""

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hsm import privatefile
from hsm.privatefile import PrivateFileError

SECRET_OCTETS = 32
_KEY_OCTETS = 16
_MAGIC = "keystead-hsm-secret-v1"
_FORMAT = re.compile(rf"{_MAGIC} (host|ceremony)\n([0-9a-f]{{8}})\n([0-9a-f]{{64}})\n")
_FILE_OCTETS = 256

Holder = Literal["host", "ceremony"]


class RoleKeys(NamedTuple):
    """The two keys of an authentication key, as the library's create_session takes them."""

    enc: bytes
    mac: bytes

    def __repr__(self) -> str:
        return "RoleKeys(<hidden>)"


class HsmSecret:
    """A secret of 32 octets from which credentials follow. holder: who has it."""

    def __init__(self, holder: Holder, secret: bytes) -> None:
        if len(secret) != SECRET_OCTETS:
            raise ValueError(f"such a secret has {SECRET_OCTETS} octets")
        self.holder = holder
        self._secret = secret

    @classmethod
    def generate(cls, holder: Holder, randomness: Callable[[int], bytes] = os.urandom) -> Self:
        """Make a new one."""
        return cls(holder, randomness(SECRET_OCTETS))

    @property
    def id(self) -> str:
        """Names the secret without giving it away, and tells a damaged file from a whole one."""
        named = b"keystead hsm secret id\0" + self.holder.encode() + b"\0" + self._secret
        return hashlib.sha256(named).hexdigest()[:8]

    def __repr__(self) -> str:
        return f"HsmSecret({self.holder}, {self.id}, <hidden>)"

    def role_key(self, role: str) -> RoleKeys:
        """Return a role's credential, by the role's name in the manifest."""
        derived = self._derive(b"keystead hsm role v1\0" + role.encode(), 2 * _KEY_OCTETS)
        return RoleKeys(derived[:_KEY_OCTETS], derived[_KEY_OCTETS:])

    def store_key(self) -> bytes:
        """Return the key under which the embedded emulator's file is sealed: 32 octets."""
        return self._derive(b"keystead emulator store v1", 32)

    def backup_key(self) -> bytes:
        """Return the key that authenticates backups of devices: 32 octets."""
        return self._derive(b"keystead hsm backup v1", 32)

    def reveal(self) -> bytes:
        """Return the secret itself, for whoever splits it into shares."""
        return self._secret

    def _derive(self, info: bytes, length: int) -> bytes:
        return HKDF(SHA256(), length, salt=None, info=info).derive(self._secret)

    def format(self) -> str:
        """Return the text of its file."""
        return f"{_MAGIC} {self.holder}\n{self.id}\n{self._secret.hex()}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of such a file; ValueError when it is none or damaged."""
        if not text.startswith(_MAGIC):
            raise ValueError(f"its first line does not begin with {_MAGIC!r}")
        match = _FORMAT.fullmatch(text)
        if match is None:
            raise ValueError("it is cut off or altered")
        secret = cls("host" if match[1] == "host" else "ceremony", bytes.fromhex(match[3]))
        if secret.id != match[2]:
            raise ValueError("the secret does not match its id: it is damaged")
        return secret


HostSecret = HsmSecret
"""The secret whose holder is the host; the form is the same for both."""


def create(
    path: Path, holder: Holder, *, randomness: Callable[[int], bytes] = os.urandom
) -> HsmSecret:
    """Make a new secret's file, mode 0600, durable on return. Never replaces anything.

    The folder must exist. Raises PrivateFileError.
    """
    secret = HsmSecret.generate(holder, randomness)
    privatefile.create(
        path,
        secret.format().encode("ascii"),
        unless_lost="nobody could log in to the devices made with it any more. Use it, or move it"
        " away if no device was.",
    )
    return secret


def load(path: Path, holder: Holder) -> HsmSecret:
    """Read a secret's file that nobody else can read or replace; PrivateFileError."""
    content = privatefile.read(
        path,
        _FILE_OCTETS,
        when_absent="Restore it from its backup: without it nobody logs in to the devices that"
        " were made with it.",
        when_open="if strangers could read it, replace the roles' keys by a new ceremony",
    )
    try:
        secret = HsmSecret.parse(content.decode("ascii", "replace"))
    except ValueError as error:
        raise PrivateFileError(
            f"{path} is not a usable secret: {error}. Restore it from its backup."
        ) from None
    if secret.holder != holder:
        raise PrivateFileError(
            f"{path} is the secret of the {secret.holder}, wanted is the {holder}'s: the two are"
            " kept apart on purpose. Name the other file."
        )
    return secret
