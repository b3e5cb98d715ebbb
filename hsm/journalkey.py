"""The journal key: signs checkpoints of the journal (Ed25519). A PEM file, as openssl reads it.

It lies beside the sealing key and apart from the database, because it is what whoever writes to
the database does not have. Whoever reads it can sign a journal of their own making; a lost one
is no harm to what it signed, the public key checks that for good.
"""

from pathlib import Path
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from hsm import privatefile
from hsm.privatefile import PrivateFileError

_FILE_OCTETS = 4096
_END = "-----END PUBLIC KEY-----"


class JournalKey:
    """The private key, in memory."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def generate(cls) -> Self:
        """Make a new key."""
        return cls(Ed25519PrivateKey.generate())

    def __repr__(self) -> str:
        return f"JournalKey({self.public_key.hex()}, <hidden>)"

    @property
    def public_key(self) -> bytes:
        """The public key: 32 octets."""
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message: 64 octets."""
        return self._key.sign(message)

    def format(self) -> bytes:
        """Return the text of the key file."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Read the text of a key file; ValueError when it is none."""
        try:
            key = load_pem_private_key(text, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError("it holds no private key without a password") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("its key is not an Ed25519 key")  # noqa: TRY004 - a file's content
        return cls(key)


def create(path: Path) -> JournalKey:
    """Make a new key file, mode 0600, durable on return. PrivateFileError."""
    key = JournalKey.generate()
    privatefile.create(path, key.format(), unless_lost="it may have signed checkpoints. Use it.")
    return key


def load(path: Path) -> JournalKey:
    """Read a key file that nobody else can read or replace. PrivateFileError."""
    content = privatefile.read(
        path,
        _FILE_OCTETS,
        when_absent="The next start of the service makes a new one.",
        when_open="if strangers could read it, move it away: the next start makes a new one",
    )
    try:
        return JournalKey.parse(content)
    except ValueError as error:
        raise PrivateFileError(
            f"{path} is not a usable key file: {error}. Restore it from its backup, or move it"
            " away: the next start makes a new one"
        ) from None


def format_public(public_key: bytes) -> str:
    """Return a public key (32 octets) as PEM; `parse_public` reads it."""
    key = Ed25519PublicKey.from_public_bytes(public_key)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def parse_public(text: str) -> list[bytes]:
    """Return the public keys of a PEM text that holds one or more; ValueError when it does not."""
    *blocks, rest = text.split(_END)
    if not blocks or rest.strip():
        raise ValueError("it holds no public key in PEM form, or something after it")
    keys = []
    for block in blocks:
        try:
            key = load_pem_public_key(f"{block.strip()}\n{_END}\n".encode())
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError("it holds a public key that cannot be read") from None
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("it holds a key that is not an Ed25519 key")  # noqa: TRY004
        keys.append(key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    return keys
