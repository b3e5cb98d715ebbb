"""The signature of a webhook, as Standard Webhooks 1.0.0 has it (standardwebhooks.com).

HMAC-SHA-256 over `id.timestamp.body`, so that neither can be taken to another message; whoever
receives it refuses what is older than a few minutes, and what has an id that was there before.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Self

PREFIX = "whsec_"
SMALLEST_OCTETS = 24
LARGEST_OCTETS = 64

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"


class WebhookSecret:
    """What a webhook is signed with."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def __repr__(self) -> str:
        return "WebhookSecret(<hidden>)"

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Read `whsec_` and base64 of 24 to 64 octets; ValueError, which does not quote it."""
        written = text.strip()
        try:
            octets = base64.b64decode(written.removeprefix(PREFIX.encode()), validate=True)
        except binascii.Error:
            octets = b""
        if not written.startswith(PREFIX.encode()) or not octets:
            raise ValueError(f"it is not {PREFIX} and base64")
        if not SMALLEST_OCTETS <= len(octets) <= LARGEST_OCTETS:
            raise ValueError(f"it has {len(octets)} octets: {SMALLEST_OCTETS} to {LARGEST_OCTETS}")
        return cls(octets)

    def format(self) -> str:
        """Write the secret; `parse` is the inverse."""
        return PREFIX + base64.b64encode(self._octets).decode()

    def headers(self, message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
        """Return the header fields that vouch for a body. timestamp_s: Unix seconds of now."""
        signed = f"{message_id}.{timestamp_s}.".encode() + body
        digest = hmac.new(self._octets, signed, hashlib.sha256).digest()
        return {
            ID: message_id,
            TIMESTAMP: str(timestamp_s),
            SIGNATURE: f"v1,{base64.b64encode(digest).decode()}",
        }
