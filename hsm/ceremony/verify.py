"""Checking a transcript later, without the device: signatures, attestation, log, steps. Pure."""

import datetime as dt
import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsm import genuine
from hsm.ceremony.transcript import Transcript, TranscriptError, decoded
from hsm.genuine import Anchors, Genuineness, Proof
from hsm.manifest import Manifest

_ENTRY = 32
_DATA = 16
_RESET = b"\0\1" + b"\xff" * 14


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of it. faults: why the transcript is not to be believed."""

    faults: tuple[str, ...]
    genuineness: Genuineness | None


def verify(
    transcript: Transcript,
    manifest: Manifest,
    *,
    operator: bytes | None = None,
    anchors: Anchors | None = None,
) -> Verified:
    """Check a transcript; operator: the public key (32 octets) that must have signed it.

    Without one, an operator's signature is checked against the key in the transcript, which
    says only that the holder of that key signed it.
    """
    faults = _operator_faults(transcript, operator) + _signer_faults(transcript)
    try:
        faults += _manifest_faults(transcript.body, manifest)
        faults += _log_faults(transcript.body)
        verdict, certificate = _judged(transcript.body, manifest, anchors or Anchors.yubico())
        faults += _device_faults(transcript, certificate)
        faults += _told_faults(transcript.body, verdict)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        told = str(error) if isinstance(error, TranscriptError) else "parts of it are missing"
        return Verified((*faults, f"the transcript cannot be read: {told}"), None)
    return Verified(tuple(faults), verdict)


def _operator_faults(transcript: Transcript, wanted: bytes | None) -> list[str]:
    signature = transcript.signatures.get("operator")
    if signature is None:
        return ["no operator signed it"] if wanted is not None else []
    public, octets = signature
    if wanted is not None and public != wanted:
        return ["another operator signed it than the one whose key was given"]
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(octets, transcript.signed())
    except (InvalidSignature, ValueError):
        return ["the operator's signature does not fit: it was altered after it was signed"]
    return []


def _signer_faults(transcript: Transcript) -> list[str]:
    """Refuse signatures that nobody checks: a reader would count on them."""
    others = sorted(transcript.signatures.keys() - {"operator", "device"})
    return [f"it bears the signature of {one!r}, which nobody gives" for one in others]


def _manifest_faults(body: Mapping[str, Any], manifest: Manifest) -> list[str]:
    if body["manifest"]["sha256"] != manifest.digest:
        return [
            (
                f'it is about another manifest ("{body["manifest"]["name"]}", SHA-256'
                f" {body['manifest']['sha256']}) than the one given ({manifest.digest})"
            )
        ]
    return []


def _judged(
    body: Mapping[str, Any], manifest: Manifest, anchors: Anchors
) -> tuple[Genuineness, x509.Certificate]:
    identity = body["identity"]
    proof = Proof(
        decoded(identity["device_certificate"]),
        decoded(identity["identity_certificate"]),
        bytes.fromhex(identity["nonce"]),
        bytes.fromhex(identity["signature"]),
    )
    ended = dt.datetime.strptime(body["ended"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC)
    verdict = genuine.judge(proof, manifest, body["device"]["serial"], anchors, ended)
    return verdict, x509.load_der_x509_certificate(proof.identity_certificate)


def _device_faults(transcript: Transcript, certificate: x509.Certificate) -> list[str]:
    """Check the device's signature with the key that its attestation names."""
    signature = transcript.signatures.get("device")
    if signature is None:
        return ["the device did not sign it"]
    public, octets = signature
    key = certificate.public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if not isinstance(key, ec.EllipticCurvePublicKey) or public != spki:
        return ["its device's signature is of another key than the attested identity key"]
    try:
        key.verify(octets, transcript.signed(), ec.ECDSA(genuine.hash_for(key)))
    except InvalidSignature:
        return ["the device's signature does not fit: it was altered after it was signed"]
    return []


def _told_faults(body: Mapping[str, Any], verdict: Genuineness) -> list[str]:
    """Compare what the body tells of the device with what its proof shows."""
    faults = []
    if body["device"]["kind"] != verdict.kind.value:
        faults.append(
            f"it calls the device {body['device']['kind']}, the proof in it says"
            f" {verdict.kind.value}"
        )
    return faults


def _log_faults(body: Mapping[str, Any]) -> list[str]:
    entries = [bytes.fromhex(one) for one in body["log"]]
    if not entries or any(len(one) != _ENTRY for one in entries):
        return ["the device's log in it is not whole"]
    faults = [
        f"entry {_number(one)} of the device's log does not follow from the one before it"
        for before, one in itertools.pairwise(entries)
        if hashlib.sha256(one[:_DATA] + before[_DATA:]).digest()[:_DATA] != one[_DATA:]
    ]
    if entries[-1][_DATA:].hex() != body["log_digest"]:
        faults.append("the device's log ends with another digest than the transcript says")
    if any(one[:_DATA] == _RESET for one in entries[1:]):
        faults.append("the device was reset in the middle of the log")
    return faults + _deletion_faults(body["steps"], entries)


_DELETED = re.compile(rb"..\x58..(..)\x00\x01..\xd8....", re.DOTALL)


def _deletion_faults(steps: Sequence[Mapping[str, Any]], entries: Sequence[bytes]) -> list[str]:
    """Look for the factory's key in the log: a step that was done is in it, by whom it was done."""
    deleted = any(one["command"] == "DELETE_OBJECT" for one in steps)
    logged = any(_DELETED.fullmatch(one[:_DATA]) for one in entries)
    if deleted and not logged:
        return ["it says that the factory's key was deleted, and the device's log does not"]
    return []


def _number(entry: bytes) -> int:
    return int.from_bytes(entry[:2])
