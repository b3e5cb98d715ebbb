"""What the service asks of a device before it entrusts anything to it.

The auditor's role reads what is there; the factory's password is tried; every role of the host logs
in; the identity key signs a fresh nonce. What is wrong comes back as findings, and whoever asked
decides: the service refuses to start on a grave one.
"""

import datetime as dt
import os
from collections.abc import Callable
from dataclasses import dataclass

from hsm import drift, genuine, inventory
from hsm.credentials import HsmSecret
from hsm.device.line import Device
from hsm.device.opening import open_session
from hsm.drift import Finding, Kind
from hsm.genuine import Anchors, Genuineness
from hsm.inventory import Inventory
from hsm.logins import admits, device_info, factory_login, role_login
from hsm.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Report:
    """A device as it was found. genuineness: None when it could not be asked."""

    inventory: Inventory
    findings: tuple[Finding, ...]
    genuineness: Genuineness | None

    @property
    def grave(self) -> tuple[Finding, ...]:
        """The findings for which nothing may be entrusted to it."""
        return tuple(one for one in self.findings if one.grave)


def read(device: Device, manifest: Manifest, host: HsmSecret) -> Inventory:
    """Read a device with the auditor's role; DeviceError."""
    info = device_info(device)
    with open_session(device, role_login(host, manifest.role("auditor"))) as session:
        return inventory.read(session, info)


def check(
    device: Device,
    manifest: Manifest,
    host: HsmSecret,
    *,
    anchors: Anchors | None = None,
    now: dt.datetime | None = None,
    randomness: Callable[[int], bytes] = os.urandom,
) -> Report:
    """Check a device against its manifest.

    now: with a time zone. Raises DeviceError when it does not answer, or refuses the auditor.
    """
    found = read(device, manifest, host)
    findings = drift.differences(manifest, found)
    findings += _factory_key(device)
    findings += _credentials(device, manifest, host)
    if any(one.kind is Kind.CREDENTIAL or _concerns_identity(one) for one in findings):
        return Report(found, tuple(findings), None)
    with open_session(device, role_login(host, manifest.role("identity"))) as session:
        proof = genuine.ask(session, manifest, randomness(genuine.NONCE_OCTETS))
    verdict = genuine.judge(
        proof,
        manifest,
        found.serial,
        anchors or Anchors.yubico(),
        now or dt.datetime.now(dt.UTC),
    )
    if verdict.kind is genuine.Kind.IMPOSTOR:
        said = "; ".join(verdict.doubts)
        findings.append(
            Finding(Kind.IDENTITY, "identity", f"it is not the device it claims to be: {said}")
        )
    return Report(found, tuple(findings), verdict)


def _concerns_identity(one: Finding) -> bool:
    return one.subject in {"identity", "identity-certificate"}


def _factory_key(device: Device) -> list[Finding]:
    """Try the password that everybody knows: what a device lists is only its word."""
    if not admits(device, factory_login()):
        return []
    return [
        Finding(
            Kind.FACTORY_KEY,
            "factory password",
            "the factory's password opens the device: whoever reaches it can do everything with"
            " it. `keystead-ceremony perform` deletes that key",
        )
    ]


def _credentials(device: Device, manifest: Manifest, host: HsmSecret) -> list[Finding]:
    return [
        Finding(
            Kind.CREDENTIAL,
            role.name,
            f'the role "{role.name}" ({role.place}) does not accept the credential of the host\'s'
            " secret: it is absent, or was made from another secret",
        )
        for role in manifest.roles
        if role.held == "host" and not admits(device, role_login(host, role))
    ]
