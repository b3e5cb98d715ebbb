"""Taking a backup of a device: its exportable keys, wrapped for one target or under shares.

The administrator puts the transport key and takes it away again, the role "backup" exports. What
is left behind when it is cut off is the transport key; the next backup removes it first.
"""

import datetime as dt
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from yubihsm.core import AuthSession
from yubihsm.defs import CAPABILITY, OBJECT
from yubihsm.objects import AsymmetricKey, OtpAeadKey, PublicWrapKey, WrapKey, YhsmObject

from hsm import drift, genuine, inventory
from hsm.audit.rules import TRANSPORT_KEY
from hsm.ceremony import proofs, shares, transport
from hsm.ceremony.backup_file import Backup, Carried
from hsm.ceremony.log_room import Keep, make_room
from hsm.ceremony.reach import CeremonyError
from hsm.ceremony.shares import Kind, Share
from hsm.ceremony.transport import Offer
from hsm.credentials import HsmSecret
from hsm.device.line import Device
from hsm.device.opening import open_session
from hsm.genuine import Anchors
from hsm.inventory import Found, Inventory
from hsm.logins import device_info, role_login
from hsm.manifest import Manifest

_OBJECTS: dict[OBJECT, type[YhsmObject]] = {
    OBJECT.ASYMMETRIC_KEY: AsymmetricKey,
    OBJECT.OTP_AEAD_KEY: OtpAeadKey,
    OBJECT.WRAP_KEY: WrapKey,
}


@dataclass(frozen=True, slots=True)
class Source:
    """The device that is backed up, and who does it. ceremony: admin and backup log in with it.

    keep: takes log entries that have to be cleared on the way; clock: with a time zone.
    """

    device: Device
    manifest: Manifest
    ceremony: HsmSecret
    keep: Keep
    clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    randomness: Callable[[int], bytes] = field(default=os.urandom, repr=False)

    def for_target(
        self, offer: Offer, accepted: frozenset[genuine.Kind], anchors: Anchors
    ) -> Backup:
        """Back up for the device that made an offer, which alone can open it.

        accepted: what kinds of devices the keys may go to. Raises CeremonyError, DeviceError.
        """
        verdict = offer.doubt(self.manifest, anchors, self.clock())
        if verdict.kind not in accepted:
            doubts = "; ".join(verdict.doubts) or "no doubts were told"
            raise CeremonyError(
                f"the keys do not go to device {offer.serial}: it is not proven to be hardware, but"
                f" {verdict.kind.value} ({doubts}). Whoever made that transport key would have them"
            )
        found = self._inventory()
        if found.firmware < transport.RSA_WRAP:
            raise CeremonyError(
                "this device's firmware knows no RSA wrap, which came with 2.4.0: take a backup by"
                " shares"
            )
        key = offer.rsa_key()

        def put(session: AuthSession) -> None:
            transport.put_public(session, self.manifest, key)

        def export(session: AuthSession, one: YhsmObject) -> bytes:
            return PublicWrapKey(session, TRANSPORT_KEY).export_wrapped_rsa(one)

        carried = self._carry(found, put, export)
        return self._backup(found, "rsa", offer.fingerprint, carried)

    def by_shares(self, *, threshold: int, count: int) -> tuple[Backup, list[Share]]:
        """Back up under a key that is then in shares only. ValueError for odd numbers of them.

        The key is in this process' memory meanwhile. Raises CeremonyError, DeviceError.
        """
        found = self._inventory()
        with open_session(
            self.device, role_login(self.ceremony, self.manifest.role("backup"))
        ) as session:
            # Neither source alone has to be good.
            device_random = session.get_pseudo_random(shares.SECRET_OCTETS)
        host_random = self.randomness(shares.SECRET_OCTETS)
        key = bytes(one ^ two for one, two in zip(device_random, host_random, strict=True))
        made = shares.split(
            Kind.WRAP_KEY, key, threshold=threshold, count=count, randomness=self.randomness
        )

        def put(session: AuthSession) -> None:
            transport.put_secret(session, self.manifest, key)

        def export(session: AuthSession, one: YhsmObject) -> bytes:
            return WrapKey(session, TRANSPORT_KEY).export_wrapped(one)

        carried = self._carry(found, put, export)
        return self._backup(found, "shares", made[0].set_id.hex(), carried), made

    def _inventory(self) -> Inventory:
        """Read the device, and refuse one that lacks what a backup is for; CeremonyError."""
        admin = role_login(self.ceremony, self.manifest.role("admin"))
        with open_session(self.device, admin) as session:
            return inventory.read(session, device_info(self.device))

    def _carry(
        self,
        found: Inventory,
        put: Callable[[AuthSession], None],
        export: Callable[[AuthSession, YhsmObject], bytes],
    ) -> list[Carried]:
        wanted = exportable(self.manifest, found)
        admin, backup = (
            role_login(self.ceremony, self.manifest.role(name)) for name in ("admin", "backup")
        )
        with open_session(self.device, admin) as session:
            make_room(self.device, session, self.keep)
            transport.remove(session, found)
            put(session)
        try:
            wrapped = []
            for one in wanted:
                with open_session(self.device, admin) as session:
                    make_room(self.device, session, self.keep)
                with open_session(self.device, backup) as session:
                    there = _OBJECTS[one.place.type](session, one.place.id)
                    wrapped.append(export(session, there))
        finally:
            self._take_away()
        with open_session(self.device, admin) as session:
            carried = []
            for one, octets in zip(wanted, wrapped, strict=True):
                make_room(self.device, session, self.keep)
                proof = proofs.of(session, one.place)
                carried.append(Carried(one.place, one.label, octets, proof))
            return carried

    def _take_away(self) -> None:
        """Remove the transport key, whatever has happened."""
        with open_session(
            self.device, role_login(self.ceremony, self.manifest.role("admin"))
        ) as session:
            transport.remove(session, inventory.read(session, device_info(self.device)))

    def _backup(self, found: Inventory, by: str, under: str, carried: Sequence[Carried]) -> Backup:
        return Backup(
            made=self.clock().astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            serial=found.serial,
            firmware=drift.version(found.firmware),
            manifest_name=self.manifest.name,
            manifest=self.manifest.digest,
            ceremony=self.ceremony.id,
            by=by,
            under=under,
            objects=tuple(carried),
        ).authenticated(self.ceremony)


def exportable(manifest: Manifest, found: Inventory) -> list[Found]:
    """Return what a backup carries: keys of the manifest that may leave, and their successors.

    CeremonyError when one of them is missing: such a backup would restore no whole device.
    """
    carried = []
    for one in manifest.objects:
        if not one.capabilities & CAPABILITY.EXPORTABLE_UNDER_WRAP:
            continue
        there = [found.objects[place] for place in one.places if place in found.objects]
        if not there:
            raise CeremonyError(
                f'"{one.name}" ({one.place}) is not on the device: perform its ceremony first'
            )
        carried += there
    return carried
