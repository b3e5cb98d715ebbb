"""The key under which objects travel from one device to another, for one backup or restore.

By RSA (firmware 2.4 and newer) the target makes the key pair and only its public half leaves it:
nobody on the way can open what travels, but whoever wraps must be sure whose key it is. So the
target's identity key signs it (`Offer`), and people compare its fingerprint. The signature says
which device vouches; that the key was made in it, only who stood before it knows.
"""

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from yubihsm.core import AuthSession
from yubihsm.defs import ALGORITHM, CAPABILITY, ORIGIN, Version
from yubihsm.objects import PublicWrapKey, WrapKey

from hsm import genuine
from hsm.audit.rules import TRANSPORT_KEY
from hsm.ceremony.document import DocumentError, member, octets_in, parse, written
from hsm.ceremony.reach import CeremonyError, Secrets
from hsm.ceremony.transcript import encoded
from hsm.device.line import Device
from hsm.device.opening import open_session
from hsm.genuine import Anchors, Genuineness, Proof
from hsm.inventory import Inventory
from hsm.manifest import Manifest, Place

RSA_WRAP: Version = (2, 4, 0)
LABEL = "keystead transport"
FORMAT = "keystead-transport-key-v1"
_ALGORITHM = ALGORITHM.RSA_3072


@dataclass(frozen=True, slots=True)
class Offer:
    """A target's public key, signed by its identity key. public_key: DER."""

    serial: int
    public_key: bytes
    proof: Proof

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key in groups of four, for two people to compare."""
        digest = hashlib.sha256(self.public_key).hexdigest()
        return " ".join(digest[at : at + 4] for at in range(0, len(digest), 4))

    def doubt(self, manifest: Manifest, anchors: Anchors, now: dt.datetime) -> Genuineness:
        """Say what device vouches for the key; CeremonyError when none does."""
        if self.proof.nonce != _nonce(self.serial, self.public_key):
            raise CeremonyError(
                "the transport key is not the one that the device signed: it was replaced on the"
                " way. Fetch it from the device again"
            )
        return genuine.judge(self.proof, manifest, self.serial, anchors, now)

    def rsa_key(self) -> RSAPublicKey:
        """Return the key; CeremonyError when it is no RSA key."""
        try:
            key = load_der_public_key(self.public_key)
        except ValueError:
            key = None
        if not isinstance(key, RSAPublicKey):
            raise CeremonyError("the transport key is no RSA key: fetch it from the device again")
        return key

    def format(self) -> str:
        """Return the text of its file; `parse` is the inverse."""
        return written(
            {
                "format": FORMAT,
                "serial": self.serial,
                "public_key": encoded(self.public_key),
                "device_certificate": encoded(self.proof.device_certificate),
                "identity_certificate": encoded(self.proof.identity_certificate),
                "signature": encoded(self.proof.signature),
            }
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read such a file; DocumentError."""
        value = parse(text, FORMAT)
        serial: int = member(value, "serial", int)
        if not 0 <= serial < 1 << 32:
            raise DocumentError("its serial number is none")
        key, device, identity, signature = (
            octets_in(value, name)
            for name in ("public_key", "device_certificate", "identity_certificate", "signature")
        )
        return cls(serial, key, Proof(device, identity, _nonce(serial, key), signature))


def offer(device: Device, manifest: Manifest, secrets: Secrets, inventory: Inventory) -> Offer:
    """Let a target make a key pair for what shall come to it; CeremonyError, DeviceError.

    inventory: the target's; its roles are there.
    """
    if inventory.firmware < RSA_WRAP:
        raise CeremonyError(
            "this device's firmware knows no RSA wrap, which came with 2.4.0: take a backup by"
            " shares, which any firmware can restore"
        )
    role = manifest.role("backup")
    with open_session(device, secrets.login(manifest.role("admin"))) as session:
        remove(session, inventory)
        key = WrapKey.generate(
            session,
            TRANSPORT_KEY,
            LABEL,
            role.domains,
            CAPABILITY.IMPORT_WRAPPED,
            _ALGORITHM,
            role.delegated,
        )
        info: Any = key.get_info()
        if info.origin != ORIGIN.GENERATED:
            raise CeremonyError("the device does not say that it made the transport key itself")
        public = key.get_public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with open_session(device, secrets.login(manifest.role("identity"))) as session:
        nonce = _nonce(inventory.serial, public)
        return Offer(inventory.serial, public, genuine.ask(session, manifest, nonce))


def remove(session: AuthSession, inventory: Inventory) -> None:
    """Delete what a backup that was cut off left behind. session: of the administrator."""
    for kind in (WrapKey, PublicWrapKey):
        if Place(kind.object_type, TRANSPORT_KEY) in inventory.objects:
            kind(session, TRANSPORT_KEY).delete()


def put_public(session: AuthSession, manifest: Manifest, key: RSAPublicKey) -> PublicWrapKey:
    """Put a target's public key into the source. session: of the administrator."""
    role = manifest.role("backup")
    return PublicWrapKey.put(
        session,
        TRANSPORT_KEY,
        LABEL,
        role.domains,
        CAPABILITY.EXPORT_WRAPPED,
        role.delegated,
        key,
    )


def put_secret(session: AuthSession, manifest: Manifest, key: bytes) -> WrapKey:
    """Put a wrap key that shares give (32 octets). session: of the administrator."""
    role = manifest.role("backup")
    return WrapKey.put(
        session,
        TRANSPORT_KEY,
        LABEL,
        role.domains,
        CAPABILITY.EXPORT_WRAPPED | CAPABILITY.IMPORT_WRAPPED,
        ALGORITHM.AES256_CCM_WRAP,
        role.delegated,
        key,
    )


def _nonce(serial: int, public_key: bytes) -> bytes:
    """Return what stands for a key where the identity key signs a nonce."""
    head = b"keystead transport key v1\0" + serial.to_bytes(4)
    return hashlib.sha256(head + public_key).digest()
