"""Which budget of a client an unsigned request spends from.

Client IDs are public and a request need not be signed, so a stranger could spend a
customer's budget. Unsigned requests are therefore spread over many buckets by network
prefix: a stranger exhausts the bucket of his own network, not the customer's.
"""

import hashlib
import ipaddress

from server.otp.bounded_map import BoundedMap
from server.otp.ports import UNSIGNED_BUCKETS

MIN_SALT = 16
"""Octets of salt: without the salt nobody can look for a network that shares a bucket."""

_REMEMBERED = 20_000


class UnsignedBuckets:
    """Buckets 1..UNSIGNED_BUCKETS by source prefix: IPv4 /24, IPv6 /48.

    salt: the same for all processes on one store, and secret.
    """

    def __init__(self, salt: bytes) -> None:
        if len(salt) < MIN_SALT:
            raise ValueError(f"the bucket salt has {len(salt)} octets; at least {MIN_SALT} needed")
        self._salt = salt
        self._known: BoundedMap[str, int] = BoundedMap(_REMEMBERED)

    def bucket(self, address: str) -> int:
        """Return the bucket of a source address."""
        bucket = self._known.get(address)
        if bucket is None:
            digest = hashlib.blake2b(source_prefix(address), digest_size=8, key=self._salt).digest()
            bucket = int.from_bytes(digest, "big") % UNSIGNED_BUCKETS + 1
            self._known.put(address, bucket)
        return bucket


def source_prefix(address: str) -> bytes:
    """Return the network prefix of an address; of a text that is none, the text itself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return b"name:" + address.encode("utf-8", "backslashreplace")
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return b"ipv6:" + parsed.packed[:6]
        parsed = parsed.ipv4_mapped
    return b"ipv4:" + parsed.packed[:3]
