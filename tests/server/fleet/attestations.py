"""Editions of roots that virtual keys' attestations end in, signed by a key of the tests' own."""

import hashlib
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from server.fleet.attestation_bundle import PREFIX, AttestationBundle, read_document
from server.fleet.signed_file import sign_with
from tests.virtual_yubikey.identity import Identity, yubikey_5c_nfc
from tests.virtual_yubikey.manufacturer import Manufacturer
from tests.virtual_yubikey.piv_keys import KeyType, PinPolicy, TouchPolicy
from tests.virtual_yubikey.yubikey import VirtualYubiKey

SLOT = 0x9E
SERIAL = 31234567


def edition_of(maker: Manufacturer, edition: int = 2) -> dict[str, Any]:
    """Return a document that trusts a maker's roots and none but them."""
    return {
        "format": 1,
        "edition": edition,
        "issued": "2026-11-27",
        "roots": [told(one) for one in maker.roots],
        "intermediates": [told(one) for one in maker.intermediates],
    }


def told(one: x509.Certificate) -> dict[str, str]:
    """Return how an edition names a certificate."""
    return {
        "name": one.subject.rfc4514_string().removeprefix("CN="),
        "sha256": hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest(),
        "pem": one.public_bytes(Encoding.PEM).decode(),
        "source": "the tests",
    }


def bundle_of(maker: Manufacturer) -> AttestationBundle:
    return read_document(edition_of(maker))


def signed_edition(document: dict[str, Any], key: Ed25519PrivateKey) -> bytes:
    return sign_with(document, key.public_key().public_bytes_raw(), key.sign, PREFIX)


def a_provisioned_key(
    identity: Identity | None = None,
    *,
    maker: Manufacturer | None = None,
    kind: KeyType = KeyType.ECCP256,
    pin: PinPolicy = PinPolicy.NEVER,
    touch: TouchPolicy = TouchPolicy.NEVER,
) -> VirtualYubiKey:
    """Return a key whose slot 9E was filled as the documentation says."""
    identity = identity or yubikey_5c_nfc(SERIAL)
    key = (
        VirtualYubiKey(identity) if maker is None else VirtualYubiKey(identity, manufacturer=maker)
    )
    key.piv.put_key(SLOT, kind, pin, touch)
    return key


def attestation_of(key: VirtualYubiKey, slot: int = SLOT) -> x509.Certificate:
    """Return what the key says of a slot."""
    key.transceive(bytes.fromhex("00a4040005a000000308"))
    answer = key.transceive(bytes([0x00, 0xF9, slot, 0x00, 0x00]))
    octets = answer[:-2]
    while answer[-2] == 0x61:
        answer = key.transceive(bytes([0x00, 0xC0, 0x00, 0x00, answer[-1]]))
        octets += answer[:-2]
    assert answer[-2:] == b"\x90\x00"
    return x509.load_der_x509_certificate(octets)


def f9_of(key: VirtualYubiKey) -> x509.Certificate:
    return key.piv.signer.certificate
