"""Objects in general: listed, described, deleted; opaque ones and templates read and written."""

from hsm.emulator.forms import keys, rsa
from hsm.emulator.objects.call import Call, known_kind, number
from hsm.emulator.objects.record import LABEL_SIZE, Record
from hsm.emulator.wire import algorithm as known
from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.capability import Capability, within
from hsm.emulator.wire.fields import Fields
from hsm.emulator.wire.kind import Kind, Origin
from hsm.emulator.wire.refusal import Refusal, RefusedError

_DELETE = {
    Kind.OPAQUE: Capability.DELETE_OPAQUE,
    Kind.AUTHENTICATION_KEY: Capability.DELETE_AUTHENTICATION_KEY,
    Kind.ASYMMETRIC_KEY: Capability.DELETE_ASYMMETRIC_KEY,
    Kind.WRAP_KEY: Capability.DELETE_WRAP_KEY,
    Kind.HMAC_KEY: Capability.DELETE_HMAC_KEY,
    Kind.TEMPLATE: Capability.DELETE_TEMPLATE,
    Kind.OTP_AEAD_KEY: Capability.DELETE_OTP_AEAD_KEY,
    Kind.SYMMETRIC_KEY: Capability.DELETE_SYMMETRIC_KEY,
    Kind.PUBLIC_WRAP_KEY: Capability.DELETE_PUBLIC_WRAP_KEY,
}
_BY_ID, _BY_KIND, _BY_DOMAINS, _BY_CAPABILITIES, _BY_ALGORITHM, _BY_LABEL = range(1, 7)


def list_objects(call: Call) -> bytes:
    """Return id(2) kind(1) sequence(1) of what the session sees and every filter lets by."""
    fields = call.fields()
    found = [one for one in call.device.store if one.domains & call.rights.domains]
    while len(fields):
        found = _filtered(found, fields)
    return b"".join(number(one.object_id) + bytes([one.kind, one.sequence]) for one in found)


def _filtered(records: list[Record], fields: Fields) -> list[Record]:
    by = fields.u8()
    if by == _BY_ID:
        wanted = fields.u16()
        return [one for one in records if one.object_id == wanted]
    if by == _BY_KIND:
        wanted = fields.u8()
        return [one for one in records if one.kind == wanted]
    if by == _BY_DOMAINS:
        wanted = fields.u16()
        return [one for one in records if one.domains & wanted]
    if by == _BY_CAPABILITIES:
        wanted = fields.u64()
        return [one for one in records if one.capabilities & wanted]
    if by == _BY_ALGORITHM:
        wanted = fields.u8()
        return [one for one in records if one.algorithm == wanted]
    if by == _BY_LABEL:
        label = fields.take(LABEL_SIZE)
        return [one for one in records if one.label == label]
    raise RefusedError(Refusal.INVALID_DATA)


def object_info(call: Call) -> bytes:
    """Describe an object: id(2) kind(1)."""
    fields = call.fields()
    object_id, kind = fields.u16(), known_kind(fields.u8())
    fields.end()
    return call.find(kind, object_id).info()


def delete_object(call: Call) -> bytes:
    """Delete an object: id(2) kind(1). Each kind has a capability of its own."""
    fields = call.fields()
    object_id, kind = fields.u16(), known_kind(fields.u8())
    fields.end()
    if not object_id:
        raise RefusedError(Refusal.INVALID_ID)
    record = call.find(kind, object_id)
    if not within(_DELETE[kind], call.rights.capabilities):
        raise RefusedError(Refusal.INSUFFICIENT_PERMISSIONS)
    call.device.store.remove(record)
    call.device.version += 1
    return b""


def put_opaque(call: Call) -> bytes:
    """Store data of any kind."""
    return _put_data(call, Kind.OPAQUE, known.OPAQUE)


def get_opaque(call: Call) -> bytes:
    """Return such data: id(2). Id 0 is the factory's attestation certificate."""
    return _get_data(call, Kind.OPAQUE)


def put_template(call: Call) -> bytes:
    """Store a template for SSH certificates."""
    return _put_data(call, Kind.TEMPLATE, frozenset({Algorithm.TEMPLATE_SSH}))


def get_template(call: Call) -> bytes:
    """Return such a template: id(2)."""
    return _get_data(call, Kind.TEMPLATE)


def _put_data(call: Call, kind: Kind, algorithms: frozenset[Algorithm]) -> bytes:
    fields = call.fields()
    wanted = call.wanted(fields, kind)
    data = fields.rest()
    if not data:
        raise RefusedError(Refusal.WRONG_LENGTH)
    if wanted.algorithm not in algorithms:
        raise RefusedError(Refusal.INVALID_DATA)
    return number(call.create(kind, wanted, Origin.IMPORTED, data).object_id)


def _get_data(call: Call, kind: Kind) -> bytes:
    fields = call.fields()
    object_id = fields.u16()
    fields.end()
    return call.find(kind, object_id).material


def get_public_key(call: Call) -> bytes:
    """Return algorithm(1) and public key of an asymmetric or wrap key: id(2) [kind(1)]."""
    fields = call.fields()
    object_id = fields.u16()
    kind = known_kind(fields.u8()) if len(fields) else Kind.ASYMMETRIC_KEY
    fields.end()
    record = call.find(kind, object_id)
    if kind is Kind.PUBLIC_WRAP_KEY:
        shown = record.material
    elif kind is Kind.WRAP_KEY and record.algorithm in known.RSA:
        shown = rsa.public(record.material)
    elif kind is Kind.ASYMMETRIC_KEY:
        shown = keys.public(record.algorithm, record.material)
    else:
        raise RefusedError(Refusal.INVALID_DATA)
    return bytes([record.algorithm]) + shown
