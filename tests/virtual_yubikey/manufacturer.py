"""A made-up manufacturer: the roots and intermediates that its keys' attestations end in.

Real roots cannot be signed with, so trust in tests starts here. As with real keys there are two
lines: RSA from the root straight to the key's own, and from firmware 5.7.4 by way of published
intermediates.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.x509.oid import NameOID

from tests.virtual_yubikey.identity import Firmware

SigningKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey: TypeAlias = (
    ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey | x25519.X25519PublicKey
)

NEW_LINE = (5, 7, 4)
_BEGIN = dt.datetime(2016, 3, 14, tzinfo=dt.UTC)
_END = dt.datetime(2052, 4, 17, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Signer:
    """A certificate, and the key it is about."""

    certificate: x509.Certificate
    key: SigningKey


class Manufacturer:
    """One maker of keys. prefix: what the names of its certificates begin with."""

    def __init__(self, prefix: str = "Virtual") -> None:
        self._prefix = prefix

    @cached_property
    def old_root(self) -> Signer:
        """The root of the line up to firmware 5.7.3."""
        return self._root("PIV Root CA Serial 263751", new_rsa_key())

    @cached_property
    def new_root(self) -> Signer:
        """The root of the line from firmware 5.7.4 on."""
        return self._root("Attestation Root 1", ec.generate_private_key(ec.SECP384R1()))

    @cached_property
    def middle(self) -> Signer:
        """The intermediate below the new root."""
        return self._below(self.new_root, "Attestation Intermediate B 1")

    @cached_property
    def piv(self) -> Signer:
        """What signs the attestation keys of PIV, in the new line."""
        return self._below(self.middle, "PIV Attestation B 1")

    @cached_property
    def security_domain(self) -> Signer:
        """What signs the keys of Security Domains, in the new line."""
        return self._below(self.middle, "SD Attestation B 1")

    @property
    def roots(self) -> list[x509.Certificate]:
        """What a verifier trusts."""
        return [self.old_root.certificate, self.new_root.certificate]

    @property
    def intermediates(self) -> list[x509.Certificate]:
        """What is published beside the roots; no key carries them."""
        return [signer.certificate for signer in (self.middle, self.piv, self.security_domain)]

    def attestation_key(self, firmware: Firmware, subject: str) -> Signer:
        """Return what a key of a firmware is given for its slot F9."""
        if firmware >= NEW_LINE:
            return self._below(self.piv, subject, ec.generate_private_key(ec.SECP256R1()))
        return self._below(self.old_root, subject, new_rsa_key())

    def _root(self, title: str, key: SigningKey) -> Signer:
        subject = name(f"{self._prefix} {title}")
        return Signer(issue(subject, key.public_key(), subject, key, authority=True), key)

    def _below(self, above: Signer, title: str, key: SigningKey | None = None) -> Signer:
        key = key or ec.generate_private_key(ec.SECP384R1())
        subject = name(f"{self._prefix} {title}")
        issuer = above.certificate.subject
        return Signer(issue(subject, key.public_key(), issuer, above.key, authority=True), key)


def name(common: str) -> x509.Name:
    """Return a distinguished name of one common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def new_rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Generate one."""
    return rsa.generate_private_key(65537, bits)


def issue(
    subject: x509.Name,
    public_key: PublicKey,
    issuer: x509.Name,
    issuer_key: SigningKey,
    *,
    authority: bool = False,
    told: Sequence[x509.UnrecognizedExtension] = (),
) -> x509.Certificate:
    """Issue a certificate that says `told` besides."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BEGIN)
        .not_valid_after(_END)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    for extension in told:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
