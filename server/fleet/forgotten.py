"""Keys that were erased by hand: what of them is kept, so that they do not come back by themselves.

Laptops tell for weeks of a key that they saw once. What they saw until it was erased is not heard;
who sees it later brings it back. The mark is a digest of its id, under the organisation's key:
without that nobody finds out whose it is.
"""

import hashlib
import hmac


def mark_of(organisation_key: bytes, key_id: str) -> bytes:
    """Return the mark of a key."""
    message = b"keystead forgotten key\0" + key_id.encode()
    return hmac.new(organisation_key, message, hashlib.sha256).digest()
