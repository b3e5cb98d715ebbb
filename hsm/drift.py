"""How a device differs from its manifest: a pure comparison, one finding for each difference."""

import enum
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from yubihsm.defs import ALGORITHM, AUDIT, CAPABILITY, COMMAND, OBJECT, ORIGIN, Version

from hsm import manifest_words as words
from hsm.inventory import Found, Inventory
from hsm.manifest import FACTORY_KEY, DeviceObject, Manifest, Place, Role

FACTORY_PLACE = Place(OBJECT.AUTHENTICATION_KEY, FACTORY_KEY)
_SAFE_ECDSA: Version = (2, 4, 0)
_OPENING = frozenset({OBJECT.AUTHENTICATION_KEY, OBJECT.WRAP_KEY, OBJECT.PUBLIC_WRAP_KEY})


class Kind(enum.Enum):
    """What is the matter, for whoever decides. The message of a finding says it to a person."""

    FIRMWARE = "firmware"
    ADVISORY = "advisory"
    ALGORITHM = "algorithm"
    FACTORY_KEY = "factory-key"
    MISSING = "missing"
    DIFFERENT = "different"
    ORIGIN = "origin"
    INTRUDER = "intruder"
    FOREIGN = "foreign"
    OPTION = "option"
    FIXED = "fixed"
    IDENTITY = "identity"
    CREDENTIAL = "credential"


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. subject: what it is about, by its name or place."""

    kind: Kind
    subject: str
    message: str

    @property
    def grave(self) -> bool:
        """Whether nothing may be entrusted to the device. Others are told, and that is all."""
        return self.kind is not Kind.FOREIGN

    def __str__(self) -> str:
        return self.message


def differences(manifest: Manifest, inventory: Inventory) -> list[Finding]:
    """Compare; an empty list: the device is as its manifest says, the factory's key gone."""
    return [
        *_firmware(manifest, inventory),
        *_algorithms(manifest, inventory),
        *_roles(manifest, inventory),
        *_objects(manifest, inventory),
        *_unknown(manifest, inventory),
        *_options(manifest, inventory),
    ]


def version(firmware: Version) -> str:
    """Write a version as people do."""
    return ".".join(map(str, firmware))


def _firmware(manifest: Manifest, inventory: Inventory) -> Iterator[Finding]:
    if inventory.firmware < manifest.firmware:
        yield Finding(
            Kind.FIRMWARE,
            "firmware",
            f"the device's firmware is {version(inventory.firmware)}, the manifest asks for"
            f" {version(manifest.firmware)} or newer. Firmware cannot be replaced: take another"
            " device",
        )
    for one in manifest.objects:
        if (
            inventory.firmware < _SAFE_ECDSA
            and one.algorithm in words.ELLIPTIC
            and one.capabilities & CAPABILITY.SIGN_ECDSA
            and one.name != "identity"
        ):
            # The identity key proves one device for as long as nobody can open its case; a CA's
            # key that was read out signs for ever.
            yield Finding(
                Kind.ADVISORY,
                one.name,
                f'"{one.name}" would sign with ECDSA on firmware {version(inventory.firmware)}:'
                " before 2.4.0 such keys can be read out through a side channel (YSA-2024-03)."
                " Take a device with 2.4.0 or newer",
            )


def _algorithms(manifest: Manifest, inventory: Inventory) -> Iterator[Finding]:
    needed: dict[ALGORITHM, str] = {ALGORITHM.AES128_YUBICO_AUTHENTICATION: "its roles"}
    needed |= {one.algorithm: f'"{one.name}"' for one in manifest.objects}
    for algorithm, user in needed.items():
        if algorithm not in inventory.algorithms:
            yield Finding(
                Kind.ALGORITHM,
                algorithm.name,
                f"the device has {words.name_of(words.ALGORITHMS, algorithm)} turned off, which"
                f" {user} needs: it can only be turned on again on a freshly reset device",
            )


def _roles(manifest: Manifest, inventory: Inventory) -> Iterator[Finding]:
    if FACTORY_PLACE in inventory.objects:
        yield Finding(
            Kind.FACTORY_KEY,
            str(FACTORY_PLACE),
            "the factory's authentication key 1 is still on the device: its password is known to"
            " everybody. `keystead-ceremony perform` deletes it",
        )
    for role in manifest.roles:
        found = inventory.objects.get(role.place)
        if found is None:
            yield _missing("role", role.name, role.place)
            continue
        algorithm = ALGORITHM.AES128_YUBICO_AUTHENTICATION
        yield from _compared("role", role, found, algorithm, inventory.firmware)
        if found.origin != ORIGIN.IMPORTED:
            yield _origin("role", role.name, found)


def _objects(manifest: Manifest, inventory: Inventory) -> Iterator[Finding]:
    for one in manifest.objects:
        found = inventory.objects.get(one.place)
        if found is None:
            yield _missing("object", one.name, one.place)
        for place in one.places:
            found = inventory.objects.get(place)
            if found is not None:
                yield from _compared("object", one, found, one.algorithm, inventory.firmware)
                yield from _origin_of(one, found)


def _compared(
    what: str, wanted: Role | DeviceObject, found: Found, algorithm: ALGORITHM, firmware: Version
) -> Iterator[Finding]:
    known = int(words.known_to(firmware))
    is_now = (found.domains, found.capabilities & known, found.delegated & known)
    shall_be = (wanted.domains, wanted.capabilities & known, wanted.delegated & known)
    names = ("domains", "capabilities", "delegated capabilities")
    numbers, capabilities = words.domain_numbers, words.capability_names
    said: tuple[Callable[[int], Sequence[object]], ...] = (numbers, capabilities, capabilities)
    if found.algorithm != algorithm:
        told = "unknown" if found.algorithm is None else found.algorithm.name
        yield _different(what, wanted.name, found, "algorithm", has=told, shall=algorithm.name)
    for name, has, shall, write in zip(names, is_now, shall_be, said, strict=True):
        if has != shall:
            yield _different(
                what, wanted.name, found, name, has=_list(write(has)), shall=_list(write(shall))
            )
    if found.place == wanted.place and found.label != wanted.name:
        yield _different(
            what, wanted.name, found, "label", has=repr(found.label), shall=repr(wanted.name)
        )


def _list(items: Sequence[object]) -> str:
    return ", ".join(map(str, items)) or "none"


def _different(what: str, name: str, found: Found, field: str, *, has: str, shall: str) -> Finding:
    return Finding(
        Kind.DIFFERENT,
        name,
        f'{what} "{name}" ({found.place}): {field} on the device: {has}; in the manifest: {shall}',
    )


def _missing(what: str, name: str, place: Place) -> Finding:
    return Finding(Kind.MISSING, name, f'{what} "{name}" ({place}) is not on the device')


def _origin_of(one: DeviceObject, found: Found) -> Iterator[Finding]:
    if one.type is OBJECT.OPAQUE:
        return  # it is no key, and always comes from outside
    restored = ORIGIN.GENERATED | ORIGIN.IMPORTED_WRAPPED
    if found.origin != ORIGIN.GENERATED and (one.once or found.origin != restored):
        yield _origin("object", one.name, found)


def _origin(what: str, name: str, found: Found) -> Finding:
    return Finding(
        Kind.ORIGIN,
        name,
        f'{what} "{name}" ({found.place}) has not come to be as it should (origin'
        f" 0x{int(found.origin):02x}): somebody may know it who brought it there",
    )


def _unknown(manifest: Manifest, inventory: Inventory) -> Iterator[Finding]:
    known = {role.place for role in manifest.roles} | {FACTORY_PLACE}
    known |= {place for one in manifest.objects for place in one.places}
    for place in sorted(inventory.objects.keys() - known):
        if place.type in _OPENING:
            yield Finding(
                Kind.INTRUDER,
                str(place),
                f"{place} is not in the manifest: with it somebody may log in, or take keys out."
                " Find out who made it; it is not deleted by itself",
            )
        else:
            yield Finding(
                Kind.FOREIGN,
                str(place),
                f"{place} is not in the manifest. It is left alone",
            )


def _options(manifest: Manifest, inventory: Inventory) -> Iterator[Finding]:
    wanted, now = manifest.options.force_audit, inventory.force_audit
    if now is not wanted:
        yield _option("force_audit", now, wanted)
    for command, setting in sorted(inventory.audit.items()):
        shall = AUDIT.FIXED if command in manifest.options.audited else AUDIT.OFF
        if setting is not shall:
            yield _option(f"audit of {_command(command)}", setting, shall)


def _option(name: str, now: AUDIT, wanted: AUDIT) -> Finding:
    said = f"{name} is {now.name.lower()} on the device, in the manifest {wanted.name.lower()}"
    if now is AUDIT.FIXED:
        return Finding(
            Kind.FIXED, name, f"{said}: what is fixed stays until the device is reset, keys and all"
        )
    return Finding(Kind.OPTION, name, said)


def _command(number: int) -> str:
    try:
        return words.name_of(words.COMMANDS, COMMAND(number))
    except ValueError:
        return f"command 0x{number:02x}"
