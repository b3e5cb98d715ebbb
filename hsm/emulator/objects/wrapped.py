"""An object as it travels between devices, in the clear: a header of 59 octets and its body."""

import struct
from dataclasses import dataclass, field

from hsm.emulator.forms import ed25519, keys
from hsm.emulator.objects.call import Wanted, known_algorithm, known_kind
from hsm.emulator.objects.record import DELEGATED_SIZE, Record
from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.fields import Fields
from hsm.emulator.wire.kind import DELEGATING, Kind, Origin
from hsm.emulator.wire.refusal import Refusal, RefusedError

_HEADER = struct.Struct("!BQHHHBBBB40s")


@dataclass(frozen=True, slots=True)
class Travelling:
    """What an import shall make of it. material: the internal form, judged already."""

    kind: Kind
    wanted: Wanted
    origin: Origin
    material: bytes = field(repr=False)


def encode(record: Record, wrapped_with: Algorithm, *, with_seed: bool = False) -> bytes:
    """Write an object. with_seed: let an Ed25519 key take its seed along."""
    body = record.body
    if record.algorithm is Algorithm.EC_ED25519 and not with_seed:
        body = ed25519.without_seed(body)
    header = _HEADER.pack(
        wrapped_with,
        record.capabilities,
        record.object_id,
        len(body),
        record.domains,
        record.kind,
        record.algorithm,
        record.sequence,
        record.origin,
        record.label,
    )
    return header + body


def parse(plain: bytes, wrapped_with: Algorithm) -> Travelling:
    """Read an object. Whoever holds the wrap key may have written anything: all of it is judged."""
    if len(plain) < _HEADER.size:
        raise RefusedError(Refusal.INVALID_DATA)
    (
        under,
        capabilities,
        object_id,
        length,
        domains,
        kind_number,
        algorithm_number,
        _sequence,
        origin,
        label,
    ) = _HEADER.unpack_from(plain)
    body = Fields(plain[_HEADER.size :])
    if under != wrapped_with or length != len(body) or not object_id:
        raise RefusedError(Refusal.INVALID_DATA)
    kind, algorithm = known_kind(kind_number), known_algorithm(algorithm_number)
    delegated = body.number(DELEGATED_SIZE) if kind in DELEGATING else 0
    material = keys.checked(kind, algorithm, body.rest())
    wanted = Wanted(object_id, label, domains, capabilities, algorithm, delegated)
    return Travelling(kind, wanted, Origin(origin) | Origin.IMPORTED_WRAPPED, material)
