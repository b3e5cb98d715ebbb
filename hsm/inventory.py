"""What is on a device: read once through a session, then looked at as a value.

Whoever sees all domains sees all objects: reading an object's description asks for no capability,
reading the options for get-option. So the auditor's role reads it, and needs no other right.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from yubihsm.core import AuthSession, DeviceInfo
from yubihsm.defs import ALGORITHM, AUDIT, OBJECT, Version
from yubihsm.exceptions import YubiHsmInvalidResponseError
from yubihsm.objects import YhsmObject

from hsm.manifest import Place


@dataclass(frozen=True, slots=True)
class Found:
    """An object as the device describes it. domains, capabilities and delegated: bits.

    algorithm: None when the device describes it in a way that is not known here.
    """

    place: Place
    algorithm: ALGORITHM | None
    domains: int = 0
    capabilities: int = 0
    delegated: int = 0
    origin: int = 0
    label: str = ""
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Inventory:
    """A device: what it says it is, what it holds, how it is set."""

    serial: int
    firmware: Version
    part_number: str | None
    objects: Mapping[Place, Found]
    force_audit: AUDIT
    audit: Mapping[int, AUDIT]
    algorithms: frozenset[int]


def read(session: AuthSession, info: DeviceInfo) -> Inventory:
    """Read a device's inventory; raises the library's YubiHsmError.

    session: of a role in all domains that may get-option.
    """
    found = [_described(one) for one in session.list_objects()]
    enabled = session.get_enabled_algorithms()
    return Inventory(
        serial=info.serial,
        firmware=info.version,
        part_number=info.part_number,
        objects={one.place: one for one in found},
        force_audit=session.get_force_audit(),
        audit={int(command): value for command, value in session.get_command_audit().items()},
        algorithms=frozenset(int(one) for one, on in enabled.items() if on),
    )


def _described(one: YhsmObject) -> Found:
    if one.object_type not in list(OBJECT):
        return Found(Place(one.object_type, one.id), None)
    place = Place(OBJECT(one.object_type), one.id)
    try:
        info = one.get_info()
    except YubiHsmInvalidResponseError:
        return Found(place, None)
    label = info.label if isinstance(info.label, str) else info.label.hex()
    return Found(
        place,
        info.algorithm,
        info.domains,
        int(info.capabilities),
        int(info.delegated_capabilities),
        int(info.origin),
        label,
        info.sequence,
    )
