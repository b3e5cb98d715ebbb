"""The transcript of a ceremony: what was done, to which device, signed by a person and the device.

JSON: a `body`, and signatures over its canonical form. The device signs with its identity key,
which its attestation ties to it; the operator with an Ed25519 key. There is no secret in it.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

FORMAT = "keystead-ceremony-transcript-v1"
MAX_OCTETS = 1 << 20
_DOMAIN = b"keystead ceremony transcript v1\0"


class TranscriptError(ValueError):
    """A text is no transcript; the message says why."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """body: JSON values; signatures: by whom ("operator", "device") to public key and signature."""

    body: Mapping[str, Any]
    signatures: Mapping[str, tuple[bytes, bytes]]

    def signed(self) -> bytes:
        """Return what the signatures are over."""
        return signed_octets(self.body)

    def format(self) -> str:
        """Return the text of its file."""
        signatures = {
            by: {"public_key": public.hex(), "signature": signature.hex()}
            for by, (public, signature) in self.signatures.items()
        }
        document = {"format": FORMAT, "body": self.body, "signatures": signatures}
        return json.dumps(document, indent=2, ensure_ascii=True) + "\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read such a file; TranscriptError."""
        if len(text) > MAX_OCTETS:
            raise TranscriptError("it is longer than a transcript can be")
        try:
            document = json.loads(text, object_pairs_hook=_no_doubles, parse_float=_no_fraction)
        except (ValueError, RecursionError) as error:
            raise TranscriptError(f"it is no JSON text that could be signed: {error}") from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise TranscriptError(f"its format is not {FORMAT!r}")
        if document.keys() != {"format", "body", "signatures"}:
            raise TranscriptError("it has other parts than a body and signatures")
        body, signatures = document["body"], document["signatures"]
        if not isinstance(body, dict) or not isinstance(signatures, dict):
            raise TranscriptError("its body and its signatures are not tables")
        return cls(body, {by: _signature(by, one) for by, one in signatures.items()})


def signed_octets(body: Mapping[str, Any]) -> bytes:
    """Return the octets that stand for a body: sorted, without spaces, ASCII, no fractions."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return _DOMAIN + text.encode("ascii")


def encoded(octets: bytes) -> str:
    """Write octets (certificates) as text."""
    return base64.b64encode(octets).decode("ascii")


def decoded(text: object) -> bytes:
    """Read them back; TranscriptError."""
    if not isinstance(text, str):
        raise TranscriptError("a certificate in it is no text")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise TranscriptError("a certificate in it is damaged") from None


def _signature(by: str, value: object) -> tuple[bytes, bytes]:
    if not isinstance(value, dict) or value.keys() != {"public_key", "signature"}:
        raise TranscriptError(f"the signature by {by!r} is not one")
    try:
        return bytes.fromhex(value["public_key"]), bytes.fromhex(value["signature"])
    except (ValueError, TypeError):
        raise TranscriptError(f"the signature by {by!r} is damaged") from None


def _no_doubles(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name stands twice in one table")
    return table


def _no_fraction(text: str) -> float:
    raise ValueError(f"{text} is no whole number")
