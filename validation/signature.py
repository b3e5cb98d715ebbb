"""The protocol's signature: base64 of HMAC-SHA-1 under a client's API key."""

import hashlib
from binascii import b2a_base64
from hmac import compare_digest

_BLOCK = 64
_INNER = bytes(octet ^ 0x36 for octet in range(256))
_OUTER = bytes(octet ^ 0x5C for octet in range(256))


class ApiKey:
    """A client's API key, ready to sign.

    secret: the decoded key, any length (20 octets as the reference makes them). Only the two
    SHA-1 states after the padded key (RFC 2104) are kept and copied for each line: less than
    half the time of a fresh HMAC, and the secret itself is not held.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, secret: bytes) -> None:
        # HMAC-SHA-1 is the protocol's, and sound: it does not rest on collision resistance.
        if len(secret) > _BLOCK:
            secret = hashlib.sha1(secret).digest()  # noqa: S324 - see above
        padded = secret.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha1(padded.translate(_INNER))  # noqa: S324 - see above
        self._outer = hashlib.sha1(padded.translate(_OUTER))  # noqa: S324 - see above

    def __repr__(self) -> str:
        return "ApiKey(<hidden>)"

    def _signature(self, line: bytes) -> bytes:
        inner = self._inner.copy()
        inner.update(line)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return b2a_base64(outer.digest(), newline=False)

    def sign(self, line: bytes) -> str:
        """Return the padded base64 (28 characters) of the line's HMAC-SHA-1."""
        return self._signature(line).decode("ascii")

    def verifies(self, line: bytes, signature: str) -> bool:
        """Tell in constant time whether `signature` is this line's; any text is safe to pass.

        The base64 texts are compared, not what they decode to, so that no signature has a
        second spelling and nothing a client sends is decoded.
        """
        try:
            offered = signature.encode("ascii")
        except UnicodeEncodeError:
            return False
        return compare_digest(self._signature(line), offered)


EMPTY_KEY = ApiKey(b"")
"""Signs answers to unknown clients, for whom there is no key, as the reference server does."""
