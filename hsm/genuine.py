"""Which device is this, and is it hardware? A chain of certificates, and a signature made just now.

The device generated its identity key and attested it with key 0, whose certificate the factory
signed: root <- sub-CA <- device <- identity key. A chain can be copied by anybody, so the key signs
a nonce that was never seen before. Nothing here trusts what a device says of itself: an emulator
may call itself hardware, but has no such chain; one that says EMULATOR gains nothing by it.

Yubico's roots are in `hsm/roots`, from what it publishes; a device made after a new sub-CA came
needs that one's file added (`Anchors.with_file`).
"""

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.x509.oid import NameOID
from yubihsm.core import AuthSession
from yubihsm.defs import ORIGIN, Version
from yubihsm.objects import (
    AsymmetricKey,
    DeviceAttestationExtensions,
    KeyAttestationExtensions,
    Opaque,
)

from hsm.manifest import Manifest
from hsm.vault import VaultError

ROOT_FINGERPRINT = "094a3ac493c2bdcd65a54bdf40190f52bb03f7156397a3fc69d8aa9a392fb724"
"""SHA-256 of the certificate "Yubico YubiHSM Root CA", as Yubico publishes it."""
NONCE_OCTETS = 32
_FACTORY_CERTIFICATE = 0
_EMULATOR = "Keystead YubiHSM EMULATOR"
_LONGEST_CHAIN = 4
_FILE_OCTETS = 1 << 16
_HASHES: dict[int, HashAlgorithm] = {256: SHA256(), 384: SHA384(), 521: SHA512()}


class Kind(enum.Enum):
    """What the device turned out to be."""

    HARDWARE = "hardware"
    EMULATOR = "emulator"
    # Nothing contradicts it, but its certificate leads to no root that is known here.
    UNKNOWN = "unknown"
    # What it shows does not fit together: no fresh signature, another serial, another key.
    IMPOSTOR = "impostor"


@dataclass(frozen=True, slots=True)
class Genuineness:
    """The verdict. serial, firmware: as attested; doubts: why it is not proven to be hardware."""

    kind: Kind
    serial: int | None
    firmware: Version | None
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """What a device shows. Certificates are DER; signature: ECDSA, over `message` of the nonce."""

    device_certificate: bytes
    identity_certificate: bytes
    nonce: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Anchors:
    """Whom to believe: roots, and sub-CAs that lead to them."""

    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...] = ()

    @classmethod
    def yubico(cls) -> Self:
        """Return Yubico's, as packaged."""
        folder = resources.files("hsm") / "roots"
        root = x509.load_pem_x509_certificate((folder / "yubihsm-root.pem").read_bytes())
        sub_cas = [
            x509.load_pem_x509_certificate(file.read_bytes())
            for file in sorted(folder.iterdir(), key=lambda one: one.name)
            if file.name.startswith("yubihsm-sub-ca-")
        ]
        return cls((root,), tuple(sub_cas))

    def with_file(self, path: Path) -> "Anchors":
        """Add the sub-CAs of a PEM file. They are believed as far as a root signed them."""
        try:
            with path.open("rb") as stream:
                added = x509.load_pem_x509_certificates(stream.read(_FILE_OCTETS))
        except (OSError, ValueError) as error:
            raise VaultError(f"{path} holds no certificates in PEM form: {error}") from None
        return Anchors(self.roots, (*self.intermediates, *added))


def message(nonce: bytes) -> bytes:
    """Return what the identity key signs: nothing else that it signs begins like this."""
    return b"keystead device identity v1\0" + nonce


def hash_for(key: ec.EllipticCurvePublicKey) -> HashAlgorithm:
    """Return the hash with which keys of this size sign here."""
    return _HASHES[key.key_size]


def sign(session: AuthSession, manifest: Manifest, octets: bytes) -> bytes:
    """Let the identity key sign; raises the library's YubiHsmError."""
    key = AsymmetricKey(session, manifest.object("identity").id)
    public: object = key.get_public_key()  # type: ignore[no-untyped-call]
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise VaultError("the device's identity key is not an elliptic one: this is another device")
    return key.sign_ecdsa(octets, hash_for(public))


def ask(session: AuthSession, manifest: Manifest, nonce: bytes) -> Proof:
    """Let the device prove itself, in a session of the role "identity"; YubiHsmError.

    nonce: NONCE_OCTETS fresh random octets.
    """
    certificate = manifest.object("identity-certificate")
    return Proof(
        device_certificate=Opaque(session, _FACTORY_CERTIFICATE).get(),
        identity_certificate=Opaque(session, certificate.id).get(),
        nonce=nonce,
        signature=sign(session, manifest, message(nonce)),
    )


def judge(
    proof: Proof, manifest: Manifest, serial: int, anchors: Anchors, now: dt.datetime
) -> Genuineness:
    """Say what a device is. serial: what it says it is; now: with a time zone. It never raises."""
    try:
        return _judged(proof, manifest, serial, anchors, now)
    except Exception:  # noqa: BLE001 - certificates are read bit by bit, and a stranger wrote them
        doubt = "its attestation certificates cannot be read"
        return Genuineness(Kind.UNKNOWN, None, None, (doubt,))


def _judged(
    proof: Proof, manifest: Manifest, serial: int, anchors: Anchors, now: dt.datetime
) -> Genuineness:
    """Do so; whatever the libraries raise at what they cannot read passes through."""
    device = x509.load_der_x509_certificate(proof.device_certificate)
    identity = x509.load_der_x509_certificate(proof.identity_certificate)
    said = KeyAttestationExtensions.parse(identity)
    device_said = DeviceAttestationExtensions.parse(device) if _has_serial(device) else None
    doubts = [
        *_key_doubts(identity, said, manifest),
        *_signature_doubts(proof, identity),
        *_serial_doubts(serial, said, device_said),
    ]
    if not _issued(identity, device):
        doubts.append("its identity key was not attested by its factory key")
    chain = chain_doubts(device, anchors, now)
    if chain and not doubts and _says_emulator(device):
        return Genuineness(Kind.EMULATOR, said.serial, said.firmware_version, tuple(chain))
    kind = Kind.IMPOSTOR if doubts else Kind.HARDWARE
    doubts += chain
    if device_said is None:
        doubts.append("its factory's certificate names no serial number")
    if doubts and kind is Kind.HARDWARE:
        kind = Kind.UNKNOWN
    return Genuineness(kind, said.serial, said.firmware_version, tuple(doubts))


def _key_doubts(
    identity: x509.Certificate, said: KeyAttestationExtensions, manifest: Manifest
) -> list[str]:
    """Say why the attested key is not an identity key: genuine devices attest any key."""
    wanted = manifest.object("identity")
    doubts = []
    if said.origin != ORIGIN.GENERATED:
        doubts.append("its identity key was brought there from outside: others may have it")
    if (said.object_id, said.domains, int(said.capabilities)) != (
        wanted.id,
        wanted.domains,
        int(wanted.capabilities),
    ):
        doubts.append("its identity key is attested with other rights than the manifest gives it")
    if not isinstance(identity.public_key(), ec.EllipticCurvePublicKey):
        doubts.append("its identity key is not an elliptic one")
    return doubts


def _signature_doubts(proof: Proof, identity: x509.Certificate) -> list[str]:
    key = identity.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.key_size not in _HASHES:
        return ["its identity key cannot sign as it should"]
    if len(proof.nonce) != NONCE_OCTETS:
        return ["the nonce is not as long as it should be"]
    try:
        key.verify(proof.signature, message(proof.nonce), ec.ECDSA(hash_for(key)))
    except InvalidSignature:
        return ["it did not sign the fresh nonce with its identity key: the chain may be a copy"]
    return []


def _serial_doubts(
    serial: int, said: KeyAttestationExtensions, device: DeviceAttestationExtensions | None
) -> list[str]:
    attested = {said.serial} | ({device.serial} if device else set())
    if attested != {serial}:
        others = ", ".join(map(str, sorted(attested)))
        return [f"it calls itself {serial}, but its attestation is of {others}"]
    return []


def chain_doubts(device: x509.Certificate, anchors: Anchors, now: dt.datetime) -> list[str]:
    """Say why a device's certificate does not lead to a root; an empty list: it does."""
    chain = [device]
    while len(chain) < _LONGEST_CHAIN:
        above = chain[-1]
        root = next((one for one in anchors.roots if _issued(above, one)), None)
        if root is not None:
            return _path_doubts([*chain, root], now)
        issuer = next((one for one in anchors.intermediates if _issued(above, one)), None)
        if issuer is None or issuer in chain:
            break
        chain.append(issuer)
    missing = chain[-1].issuer.rfc4514_string()
    doubt = (
        f'its certificate does not lead to Yubico\'s YubiHSM root: "{missing}" signed it, which is'
        f" not known here{_advice(chain[-1])}"
    )
    return [doubt]


def _advice(certificate: x509.Certificate) -> str:
    try:
        identifier = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except (x509.ExtensionNotFound, ValueError):
        return ""
    key = (identifier.value.key_identifier or b"").hex().upper()
    return f" (Yubico publishes its sub-CAs by their key's id; this one's is {key})"


def _path_doubts(path: Sequence[x509.Certificate], now: dt.datetime) -> list[str]:
    """Check a path from the device to a root: who may sign, how far down, and when."""
    doubts = []
    for below, certificate in enumerate(path):
        name = certificate.subject.rfc4514_string()
        try:
            limits = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        except (x509.ExtensionNotFound, ValueError):
            doubts.append(f'"{name}" may not sign certificates')
            continue
        # Below the device's own certificate stand only those of keys, which are no authorities.
        if not limits.ca or (limits.path_length is not None and limits.path_length < below):
            doubts.append(f'"{name}" may not sign certificates that stand so far below it')
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            doubts.append(f'"{name}" is not valid now: is this machine\'s clock right?')
    return doubts


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _has_serial(device: x509.Certificate) -> bool:
    oid = x509.ObjectIdentifier("1.3.6.1.4.1.41482.4.2")
    return any(one.oid == oid for one in device.extensions)


def _says_emulator(device: x509.Certificate) -> bool:
    names = device.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return any(str(one.value).startswith(_EMULATOR) for one in names)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 fingerprint in hexadecimal digits."""
    return certificate.fingerprint(SHA256()).hex()
