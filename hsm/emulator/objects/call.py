"""A command under way: its payload, who asks, and the one place where rights are judged."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from hsm.emulator.channel.sessions import Rights
from hsm.emulator.objects.auditlog import NO_KEY
from hsm.emulator.objects.device import Device
from hsm.emulator.objects.record import LABEL_SIZE, Record
from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.capability import Capability, within
from hsm.emulator.wire.command import Command
from hsm.emulator.wire.fields import Fields
from hsm.emulator.wire.kind import DELEGATING, Kind, Origin
from hsm.emulator.wire.refusal import Refusal, RefusedError

NOBODY = Rights(NO_KEY, 0, 0, 0)
"""Who asks outside a session."""


class Wanted(NamedTuple):
    """What a new object shall be: the fields with which all put and generate commands begin."""

    object_id: int
    label: bytes
    domains: int
    capabilities: int
    algorithm: Algorithm
    delegated: int = 0


@dataclass(slots=True)
class Call:
    """One command. target and second: the ids it concerns, for the log.

    after: what happens once the reply is sealed (ending its session, resetting the device).
    algorithm: what it worked with, for those who imitate its duration.
    """

    device: Device
    command: Command
    payload: bytes = field(repr=False)  # keys travel in it
    rights: Rights = NOBODY
    session: int | None = None
    target: int = NO_KEY
    second: int = NO_KEY
    algorithm: Algorithm | None = None
    after: list[Callable[[], None]] = field(default_factory=list)

    def fields(self) -> Fields:
        """Return the payload, to be read."""
        return Fields(self.payload)

    def find(self, kind: Kind, object_id: int) -> Record:
        """Return an object in one of the session's domains; RefusedError(OBJECT_NOT_FOUND).

        What lies in other domains is not there at all: its existence is no answer either.
        """
        self._concern(object_id)
        device = self.device
        record = device.store.get(kind, object_id) if object_id else device.identity.builtin(kind)
        if record is None or not record.domains & self.rights.domains:
            raise RefusedError(Refusal.OBJECT_NOT_FOUND)
        self.algorithm = self.algorithm or record.algorithm
        return record

    def use(self, kind: Kind, object_id: int, capability: Capability) -> Record:
        """Return an object that both it and the session allow to be used in this way."""
        record = self.find(kind, object_id)
        if not within(capability, record.capabilities & self.rights.capabilities):
            raise RefusedError(Refusal.INSUFFICIENT_PERMISSIONS)
        return record

    def wanted(self, fields: Fields, kind: Kind) -> Wanted:
        """Read what a new object shall be."""
        return Wanted(
            fields.u16(),
            fields.take(LABEL_SIZE),
            fields.u16(),
            fields.u64(),
            known_algorithm(fields.u8()),
            fields.u64() if kind in DELEGATING else 0,
        )

    def create(self, kind: Kind, wanted: Wanted, origin: Origin, material: bytes) -> Record:
        """Store a new object, within what the session may hand on; returns what was stored."""
        if not within(wanted.capabilities | wanted.delegated, self.rights.delegated):
            raise RefusedError(Refusal.INSUFFICIENT_PERMISSIONS)
        if not wanted.domains:
            raise RefusedError(Refusal.INVALID_DATA)
        if not within(wanted.domains, self.rights.domains):
            raise RefusedError(Refusal.INSUFFICIENT_PERMISSIONS)
        self.device.options.require(wanted.algorithm)
        record = self.device.store.add(
            Record(
                kind,
                wanted.object_id,
                wanted.label,
                wanted.domains,
                wanted.capabilities,
                wanted.algorithm,
                origin,
                material,
                wanted.delegated,
            )
        )
        self._concern(record.object_id)
        self.algorithm = wanted.algorithm
        self.device.version += 1
        return record

    def _concern(self, object_id: int) -> None:
        if self.target == NO_KEY:
            self.target = object_id
        elif self.second == NO_KEY:
            self.second = object_id


def known_algorithm(number: int) -> Algorithm:
    """Return the algorithm of a number; RefusedError(INVALID_DATA)."""
    try:
        return Algorithm(number)
    except ValueError:
        raise RefusedError(Refusal.INVALID_DATA) from None


def known_kind(number: int) -> Kind:
    """Return the kind of a number; RefusedError(INVALID_DATA)."""
    try:
        return Kind(number)
    except ValueError:
        raise RefusedError(Refusal.INVALID_DATA) from None


def number(value: int) -> bytes:
    """Write an object's id."""
    return value.to_bytes(2)
