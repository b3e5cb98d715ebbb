"""What a ceremony would do on this device: a pure comparison. Nothing is done here.

It only ever adds: what is there and different is a refusal, never a repair, for nobody knows what
else hangs on it. The one thing it takes away is the factory's authentication key, at the very end.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from yubihsm.defs import AUDIT, CAPABILITY

from hsm import drift
from hsm.drift import Finding, Kind
from hsm.inventory import Inventory
from hsm.manifest import DeviceObject, Manifest


class Act(enum.Enum):
    """One thing to do, in the order in which they are done."""

    AUDIT = "set what is logged"
    PUT_ROLE = "make the role"
    GENERATE = "generate the key"
    ATTEST = "attest the identity key"
    FORCE_AUDIT = "set whether it stops rather than lose log entries"
    DELETE_FACTORY_KEY = "delete the factory's key"


@dataclass(frozen=True, slots=True)
class Step:
    """An act on one thing. name: of the role or object; empty for the device itself."""

    act: Act
    name: str = ""
    text: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Plan:
    """steps: what is to be done. refusals: why nothing will be. remarks: what is left as it is."""

    steps: tuple[Step, ...]
    refusals: tuple[Finding, ...]
    remarks: tuple[str, ...]


_REFUSED = frozenset(
    {
        Kind.FIRMWARE,
        Kind.ADVISORY,
        Kind.ALGORITHM,
        Kind.DIFFERENT,
        Kind.ORIGIN,
        Kind.INTRUDER,
        Kind.FIXED,
        Kind.IDENTITY,
    }
)


def plan(manifest: Manifest, inventory: Inventory, *, clone: bool = False) -> Plan:
    """Compare and say what is to be done.

    clone: the device gets the exportable keys of another one (`restore`), and makes none itself.
    """
    findings = drift.differences(manifest, inventory)
    refusals = tuple(one for one in findings if one.kind in _REFUSED)
    remarks = [str(one) for one in findings if one.kind is Kind.FOREIGN]
    steps: list[Step] = []
    if any(one.kind is Kind.OPTION and one.subject != "force_audit" for one in findings):
        number = len(manifest.options.audited)
        steps.append(Step(Act.AUDIT, text=f"let the device log {number} commands, for good"))
    steps += _roles(manifest, inventory)
    left = left_for_restore(manifest) if clone else []
    for one in manifest.objects:
        if one.place in inventory.objects or one.name == "identity-certificate":
            continue
        if one in left:
            remarks.append(f'object "{one.name}" ({one.place}) is left for `restore` to bring')
        else:
            steps.append(Step(Act.GENERATE, one.name, f'generate "{one.name}" ({one.place})'))
    steps += _identity(manifest, inventory)
    if inventory.force_audit is not manifest.options.force_audit:
        setting = manifest.options.force_audit
        steps.append(Step(Act.FORCE_AUDIT, text=_FORCED[setting]))
    if drift.FACTORY_PLACE in inventory.objects:
        text = "delete the factory's authentication key 1, and prove that it is gone"
        steps.append(Step(Act.DELETE_FACTORY_KEY, text=text))
    refusals += tuple(_orphaned(manifest, inventory))
    return Plan(tuple(steps), refusals, tuple(remarks))


_FORCED = {
    AUDIT.OFF: "let the device overwrite its oldest log entries when the log is full",
    AUDIT.ON: "let the device stop rather than lose log entries",
    AUDIT.FIXED: "let the device stop rather than lose log entries, for good",
}


def _roles(manifest: Manifest, inventory: Inventory) -> Iterator[Step]:
    # The administrator first: whatever cuts the ceremony off, somebody can go on with it.
    for role in sorted(manifest.roles, key=lambda one: one.name != "admin"):
        if role.place not in inventory.objects:
            text = f'make the role "{role.name}" ({role.place}), held by the {role.held}'
            yield Step(Act.PUT_ROLE, role.name, text)


def _identity(manifest: Manifest, inventory: Inventory) -> Iterator[Step]:
    certificate = manifest.object("identity-certificate")
    if certificate.place not in inventory.objects:
        text = (
            f"attest the identity key with key 0, and store the certificate ({certificate.place})"
        )
        yield Step(Act.ATTEST, "identity-certificate", text)


def _orphaned(manifest: Manifest, inventory: Inventory) -> Iterator[Finding]:
    """Refuse a certificate of an identity key that is not there: it is another key's."""
    key: DeviceObject = manifest.object("identity")
    certificate = manifest.object("identity-certificate")
    if certificate.place in inventory.objects and key.place not in inventory.objects:
        yield Finding(
            Kind.IDENTITY,
            certificate.name,
            f"{certificate.place} holds an identity certificate, and {key.place} no key: it was"
            " another key's. Delete it if nobody needs it",
        )


def left_for_restore(manifest: Manifest) -> list[DeviceObject]:
    """Return what a second device does not make itself: the keys that it shares with the first."""
    exportable = CAPABILITY.EXPORTABLE_UNDER_WRAP
    return [one for one in manifest.objects if one.capabilities & exportable]
