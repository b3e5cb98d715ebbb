"""What a host and its server say to each other about proofs. Pure, standard library alone.

With `agent.report` all of the agent that the server may import. Every dialogue is two-sided: the
host signs what it asks, the server signs what it answers, and an agent does nothing for a server
other than the one that it is enrolled with. docs/agent.md describes the wire around it.
"""

import hashlib
from typing import NamedTuple

from agent.report import Identity

FORMAT = 1

CHALLENGES = "/fleet/v1/challenges"
SIGNATURES = "/fleet/v1/signatures"
CHANNELS = "/fleet/v1/channels"

CHALLENGE_CONTEXT = b"keystead-agent-challenge-v1\x00"
SIGNATURE_CONTEXT = b"keystead-agent-key-signed-v1\x00"
CHANNEL_CONTEXT = b"keystead-agent-channel-v1\x00"
"""What a host's signature begins with, for a request to each of the three paths."""

ANSWER_CONTEXT = b"keystead-fleet-answer-v1\x00"
"""What the server's signature begins with: one made for an answer is none for anything else."""

KEY_SIGNED_CONTEXT = b"keystead-key-signed-v1\x00"
"""What is hashed for a key's slot 9E begins with; no PIV use of that slot signs this."""

SIGNED, CHANNEL = "signed", "channel"
PROOFS = (SIGNED, CHANNEL)
"""Words of a policy's `proofs`: which an organisation wants."""

SERVER_KEY_OCTETS = 32
NONCE_OCTETS = 32
MAX_PROOF_OCTETS = 64 * 1024
"""Of a request, and of an answer."""


class Nameless(ValueError):  # noqa: N818 - a key's state
    """A key without a serial number in its report: nothing could be compared with a proof."""


class Challenge(NamedTuple):
    """All that a signature of slot 9E is bound to.

    server_key: the enrolled server's, 32 octets; host: 32 hexadecimal digits; nonce: the
    server's, 32 octets, used once; key: `key_name`.
    """

    server_key: bytes
    host: str
    nonce: bytes
    key: str

    def digest(self) -> bytes:
        """Return the SHA-256 digest (32 octets) that the key signs.

        Made by the agent itself: whatever a server sends as a nonce, no digest is of its choice.
        """
        if len(self.server_key) != SERVER_KEY_OCTETS or len(self.nonce) != NONCE_OCTETS:
            raise ValueError("a server's key and a nonce have 32 octets each")
        told = (self.server_key, self.host.encode(), self.nonce, self.key.encode())
        framed = b"".join(len(one).to_bytes(2, "big") + one for one in told)
        return hashlib.sha256(KEY_SIGNED_CONTEXT + framed).digest()


def key_name(identity: Identity) -> str:
    """Return how a key that has a serial number is named: `serial:...` or `hash:...`. Nameless."""
    if identity.serial is not None:
        return f"serial:{identity.serial}"
    if identity.serial_hash is not None:
        return f"hash:{identity.serial_hash}"
    raise Nameless("this key tells no serial number that a proof could be compared with")


def answer_input(path: str, request: bytes, status: int, answer: bytes) -> bytes:
    """Return what the server's Ed25519 key signs: its answer, and to what it is one.

    path: as above, without what a proxy puts before it; request, answer: bodies as they are
    sent. An answer to another request, or to the same one with another status, is another text.
    """
    asked = hashlib.sha256(path.encode() + b"\x00" + request).digest()
    return ANSWER_CONTEXT + asked + status.to_bytes(2, "big") + answer
