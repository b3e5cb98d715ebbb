"""The backup of a device: its keys under wrap, and what it says of them.

Without the wrap key (shares, or the device that made it) nothing in it can be opened. Wrapping by
RSA tells nobody who wrapped, so the whole file carries a MAC under the ceremony's secret: what
somebody else made up is not restored.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from yubihsm.defs import OBJECT

from hsm.ceremony.document import DocumentError, member, octets_in, parse, written
from hsm.ceremony.transcript import encoded
from hsm.credentials import HsmSecret
from hsm.manifest import Manifest, Place

FORMAT = "keystead-hsm-backup-v1"


@dataclass(frozen=True, slots=True)
class Carried:
    """One object. label: as on the device; wrapped: under the transport key.

    proof: what shows after a restore that it is the same key (`hsm.ceremony.proofs`).
    """

    place: Place
    label: str
    wrapped: bytes
    proof: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands in the file."""
        return {
            "type": self.place.type.value,
            "id": self.place.id,
            "label": self.label,
            "wrapped": encoded(self.wrapped),
            "proof": dict(self.proof),
        }

    @classmethod
    def of_json(cls, value: object) -> Self:
        """Read it; DocumentError."""
        if not isinstance(value, dict):
            raise DocumentError("an object in it is none")
        try:
            place = Place(OBJECT(member(value, "type", int)), member(value, "id", int))
        except ValueError:
            raise DocumentError("an object in it is of a type that is not known here") from None
        proof = member(value, "proof", dict)
        if not all(isinstance(one, str) for one in proof.values()):
            raise DocumentError("a proof in it is none")
        return cls(place, member(value, "label", str), octets_in(value, "wrapped"), proof)


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup says. by: "rsa" or "shares"; under: the fingerprint or the set of shares.

    manifest: SHA-256 of its text; ceremony: the id of the secret that authenticates the file.
    """

    made: str
    serial: int
    firmware: str
    manifest_name: str
    manifest: str
    ceremony: str
    by: str
    under: str
    objects: tuple[Carried, ...]
    mac: bytes = b""

    def authenticated(self, secret: HsmSecret) -> "Backup":
        """Return it with its MAC."""
        return replace(self, mac=self._mac(secret))

    def _body(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "made": self.made,
            "serial": self.serial,
            "firmware": self.firmware,
            "manifest": {"name": self.manifest_name, "sha256": self.manifest},
            "ceremony": self.ceremony,
            "by": self.by,
            "under": self.under,
            "objects": [one.to_json() for one in self.objects],
        }

    def _mac(self, secret: HsmSecret) -> bytes:
        octets = json.dumps(self._body(), sort_keys=True, separators=(",", ":")).encode("ascii")
        return hmac.digest(secret.backup_key(), octets, "sha256")

    @property
    def digest(self) -> str:
        """SHA-256 of the file's text."""
        return hashlib.sha256(self.format().encode()).hexdigest()

    def format(self) -> str:
        """Return the text of its file; `parse` is the inverse."""
        return written({**self._body(), "mac": self.mac.hex()})

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read such a file; DocumentError. Whether it is authentic, `refuse` says."""
        value = parse(text, FORMAT)
        manifest = member(value, "manifest", dict)
        names = ("made", "firmware", "ceremony", "by", "under", "mac")
        made, firmware, ceremony, by, under, mac = (member(value, name, str) for name in names)
        try:
            authentic = bytes.fromhex(mac)
        except ValueError:
            raise DocumentError('"mac" in it is damaged') from None
        return cls(
            made,
            member(value, "serial", int),
            firmware,
            member(manifest, "name", str),
            member(manifest, "sha256", str),
            ceremony,
            by,
            under,
            tuple(Carried.of_json(one) for one in member(value, "objects", list)),
            authentic,
        )

    def refuse(self, manifest: Manifest, secret: HsmSecret) -> None:
        """Refuse a file that is not authentic, or of another manifest; DocumentError."""
        if self.ceremony != secret.id:
            raise DocumentError(
                f"the backup belongs to the ceremony's secret {self.ceremony}, and the one at hand"
                f" is {secret.id}"
            )
        if not hmac.compare_digest(self.mac, self._mac(secret)):
            raise DocumentError(
                "the backup was altered, or made by somebody without the ceremony's secret: nothing"
                " of it is restored. Take another copy"
            )
        if self.manifest != manifest.digest:
            raise DocumentError(
                f'the backup is of a device after manifest "{self.manifest_name}" {self.manifest},'
                f' and the one at hand is "{manifest.name}" {manifest.digest}: name the file that'
                " it was made with (--manifest)"
            )
