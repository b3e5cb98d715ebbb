"""Restoring a device: ceremony as a clone, keys brought in, compared, proven, reported.

The report says what was done and is signed by the device's identity key and by the operator; with
it comes the transcript of a ceremony that finds nothing to do, which is the proof that the device
is what its manifest says.
"""

import datetime as dt
import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from yubihsm.core import AuthSession
from yubihsm.defs import ERROR
from yubihsm.exceptions import YubiHsmDeviceError
from yubihsm.objects import WrapKey, YhsmObject

from hsm import genuine, inventory, startup
from hsm.audit.rules import TRANSPORT_KEY
from hsm.ceremony import proofs, transport
from hsm.ceremony.backup_file import Backup, Carried
from hsm.ceremony.log_room import Keep, make_room
from hsm.ceremony.perform import Performance
from hsm.ceremony.reach import CeremonyError, Secrets
from hsm.ceremony.transcript import Transcript, signed_octets
from hsm.ceremony.transport import Offer
from hsm.device.line import Device
from hsm.device.opening import open_session
from hsm.device.session import Login
from hsm.genuine import Anchors
from hsm.inventory import Inventory
from hsm.journalkey import JournalKey
from hsm.logins import FACTORY_PASSWORD, admits, device_info
from hsm.manifest import Manifest, Place

WHAT = "keystead hsm restore v1"


class Restored(NamedTuple):
    """What a restore leaves. ceremony: the proof of the device; report: of what was brought."""

    ceremony: Transcript
    report: Transcript


@dataclass(frozen=True, slots=True)
class Target:
    """The device that shall become what another one was.

    operator: signs; archive: keeps log entries that are cleared on the way.
    """

    device: Device
    manifest: Manifest
    secrets: Secrets
    operator: JournalKey | None = None
    anchors: Anchors = field(default_factory=Anchors.yubico)
    archive: Keep = lambda _entries: None
    clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    stopwatch: Callable[[], float] = time.monotonic
    randomness: Callable[[int], bytes] = field(default=os.urandom, repr=False)

    def prepare(self, factory_password: str = FACTORY_PASSWORD) -> Offer:
        """Make the roles, and a transport key whose public half goes to the source.

        Raises CeremonyError, DeviceError.
        """
        self._clone(factory_password)
        return transport.offer(self.device, self.manifest, self.secrets, self._read())

    def restore_sent(self, backup: Backup) -> Restored:
        """Bring in what was wrapped for this device after `prepare`. CeremonyError, DeviceError."""
        began = self.stopwatch()
        self._refuse(backup, "rsa")
        found = self._read()
        wrap_key = Place(WrapKey.object_type, TRANSPORT_KEY)
        if wrap_key not in found.objects:
            raise CeremonyError(
                "the device has no transport key: it was not prepared, or was restored already."
                " Prepare it, take a backup for it, and restore that"
            )

        def bring(session: AuthSession, one: Carried) -> YhsmObject:
            return WrapKey(session, TRANSPORT_KEY).import_wrapped_rsa(one.wrapped)

        return self._restore(backup, bring, found, began)

    def restore_by_key(
        self, backup: Backup, key: bytes, factory_password: str = FACTORY_PASSWORD
    ) -> Restored:
        """Bring in what a key opens (32 octets, out of its shares). CeremonyError, DeviceError."""
        began = self.stopwatch()
        self._refuse(backup, "shares")
        self._clone(factory_password)
        found = self._read()
        with open_session(self.device, self._admin) as session:
            transport.remove(session, found)
            transport.put_secret(session, self.manifest, key)

        def bring(session: AuthSession, one: Carried) -> YhsmObject:
            return WrapKey(session, TRANSPORT_KEY).import_wrapped(one.wrapped)

        return self._restore(backup, bring, found, began)

    @property
    def _admin(self) -> Login:
        return self.secrets.login(self.manifest.role("admin"))

    def _refuse(self, backup: Backup, by: str) -> None:
        backup.refuse(self.manifest, self.secrets.ceremony)
        if backup.by != by:
            way = "by its shares" if backup.by == "shares" else "on the device it was wrapped for"
            raise CeremonyError(f"this backup is restored {way}")

    def _performance(self) -> Performance:
        return Performance(
            self.device,
            self.manifest,
            self.secrets,
            operator=self.operator,
            archive=self.archive,
            anchors=self.anchors,
            clock=self.clock,
            randomness=self.randomness,
        )

    def _clone(self, factory_password: str) -> None:
        """Make the roles and what is the device's own; the factory's key is gone after it."""
        self._drop_leftovers()
        self._performance().perform(factory_password, clone=True)

    def _drop_leftovers(self) -> None:
        """Remove the transport key of an attempt before, which a ceremony takes for an intruder."""
        if admits(self.device, self._admin):
            with open_session(self.device, self._admin) as session:
                transport.remove(session, inventory.read(session, device_info(self.device)))

    def _read(self) -> Inventory:
        with open_session(self.device, self._admin) as session:
            return inventory.read(session, device_info(self.device))

    def _restore(
        self,
        backup: Backup,
        bring: Callable[[AuthSession, Carried], YhsmObject],
        found: Inventory,
        began: float,
    ) -> Restored:
        for one in backup.objects:
            with open_session(self.device, self._admin) as session:
                make_room(self.device, session, self.archive)
                if one.place not in found.objects:
                    _brought(session, one, bring)
        with open_session(self.device, self._admin) as session:
            for one in backup.objects:
                make_room(self.device, session, self.archive)
                if not proofs.holds(session, one.place, one.proof):
                    raise CeremonyError(
                        f"{one.place} on the device is not the key that was backed up: it fails its"
                        " proof. Reset the device, and restore it once more"
                    )
            transport.remove(session, inventory.read(session, device_info(self.device)))
        checked = startup.check(
            self.device, self.manifest, self.secrets.host, anchors=self.anchors, now=self.clock()
        )
        if checked.grave:
            said = "\n".join(f"- {one}" for one in checked.grave)
            raise CeremonyError(f"the device is not what its manifest says:\n{said}")
        ceremony = self._performance().perform()
        return Restored(ceremony, self._report(backup, ceremony, began))

    def _report(self, backup: Backup, ceremony: Transcript, began: float) -> Transcript:
        body: dict[str, Any] = {
            "what": WHAT,
            "ended": self.clock().astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "milliseconds": round((self.stopwatch() - began) * 1000),
            "device": dict(ceremony.body["device"]),
            "manifest": dict(ceremony.body["manifest"]),
            "backup": {
                "sha256": backup.digest,
                "serial": backup.serial,
                "made": backup.made,
                "by": backup.by,
                "under": backup.under,
            },
            "objects": [
                {"what": str(one.place), "label": one.label, "proven": bool(one.proof)}
                for one in backup.objects
            ],
            "ceremony": hashlib.sha256(ceremony.signed()).hexdigest(),
        }
        octets = signed_octets(body)
        identity = self.secrets.login(self.manifest.role("identity"))
        with open_session(self.device, identity) as session:
            signature = genuine.sign(session, self.manifest, octets)
        public, _ = ceremony.signatures["device"]
        signatures = {"device": (public, signature)}
        if self.operator is not None:
            signatures["operator"] = (self.operator.public_key, self.operator.sign(octets))
        return Transcript(body, signatures)


def _brought(
    session: AuthSession, one: Carried, bring: Callable[[AuthSession, Carried], YhsmObject]
) -> None:
    try:
        made = bring(session, one)
    except YubiHsmDeviceError as error:
        if error.code != ERROR.INVALID_DATA:
            raise
        raise CeremonyError(
            f"{one.place} of the backup does not open under this transport key: it was wrapped"
            " under another one. Are these the shares, is this the device of this backup?"
        ) from None
    if (made.object_type, made.id) != one.place:
        raise CeremonyError(
            f"what the backup calls {one.place} came out as {made.object_type.name}"
            f" 0x{made.id:04x}: the backup is damaged. Reset the device"
        )


def faults(restored: Restored, operator: bytes | None = None) -> list[str]:
    """Say why a report is not to be believed; nothing when it is.

    Its ceremony's transcript is for `verify` to check; here it is tied to it. operator: the public
    key that must have signed.
    """
    ceremony, report = restored
    if report.body.get("what") != WHAT:
        return ["it is no report of a restore"]
    found = []
    if report.body.get("ceremony") != hashlib.sha256(ceremony.signed()).hexdigest():
        found.append("it belongs to another transcript")
    for by, public in (("device", _device_key(ceremony)), ("operator", operator)):
        if by == "operator" and public is None and by not in report.signatures:
            continue
        if not _is_signed(report, by, public):
            found.append(f"the {by} did not sign it")
    return found


def _device_key(ceremony: Transcript) -> bytes | None:
    signature = ceremony.signatures.get("device")
    return None if signature is None else signature[0]


def _is_signed(report: Transcript, by: str, wanted: bytes | None) -> bool:
    public, signature = report.signatures.get(by, (b"", b""))
    if wanted is not None and public != wanted:
        return False
    try:
        if by == "operator":
            Ed25519PublicKey.from_public_bytes(public).verify(signature, report.signed())
            return True
        key = load_der_public_key(public)
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return False
        key.verify(signature, report.signed(), ec.ECDSA(genuine.hash_for(key)))
    except (InvalidSignature, ValueError):
        return False
    return True
