"""Bearer tokens: 256 random bits that are shown once; what is stored does not open anything.

A token is `kst_NUMBER_SECRET`. The number finds its row, so that the secret is compared in
constant time with one digest and is no key of any index. SHA-256 without salt and stretching is
enough: nobody guesses 256 random bits.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple, Self

SECRET_OCTETS = 32
DIGEST_OCTETS = 32

_FORM = re.compile(r"kst_([1-9][0-9]{0,17})_([A-Za-z0-9_-]{43})", re.ASCII)


class Token(NamedTuple):
    """A token as its holder has it."""

    number: int
    secret: bytes

    def __repr__(self) -> str:
        """Leave out the secret."""
        return f"Token(number={self.number}, <hidden>)"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read a token; None for what is none."""
        found = _FORM.fullmatch(text)
        if found is None:
            return None
        secret = urlsafe_b64decode(found[2] + "=")
        token = cls(int(found[1]), secret)
        # 43 letters hold two bits more than the secret: one secret has one spelling.
        return token if hmac.compare_digest(token.format(), text) else None

    def format(self) -> str:
        """Return the text that `parse` reads."""
        return f"kst_{self.number}_{urlsafe_b64encode(self.secret).rstrip(b'=').decode('ascii')}"

    def has(self, digest: bytes) -> bool:
        """Tell, in constant time, whether a stored digest is this secret's."""
        return hmac.compare_digest(digest_of(self.secret), digest)


def digest_of(secret: bytes) -> bytes:
    """Return what is stored of a secret."""
    return hashlib.sha256(secret).digest()
