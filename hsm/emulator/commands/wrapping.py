"""AES wrap keys at work: objects that move between devices, and data kept by the host."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from hsm.emulator.objects import wrapped
from hsm.emulator.objects.call import Call, known_kind, number
from hsm.emulator.objects.record import Record
from hsm.emulator.wire import algorithm as known
from hsm.emulator.wire.capability import Capability, within
from hsm.emulator.wire.firmware import PERMISSION_FIRST
from hsm.emulator.wire.kind import Kind
from hsm.emulator.wire.refusal import Refusal, RefusedError

_NONCE_SIZE, _TAG_SIZE = 13, 16
_DATA = b"\0"
"""Data begins with it, objects never do: so no exported object can be unwrapped as data."""


def export_wrapped(call: Call) -> bytes:
    """Wrap an object: wrap key(2) kind(1) id(2) [1: with the seed of an Ed25519 key]."""
    fields = call.fields()
    wrap_id, kind, object_id = fields.u16(), known_kind(fields.u8()), fields.u16()
    with_seed = bool(fields.u8()) if len(fields) else False
    fields.end()
    key = call.find(Kind.WRAP_KEY, wrap_id)
    _require_aes(key)
    require(call, key, Capability.EXPORT_WRAPPED)
    record = exportable(call, key, kind, object_id)
    return _seal(call, key, wrapped.encode(record, key.algorithm, with_seed=with_seed))


def import_wrapped(call: Call) -> bytes:
    """Store a wrapped object: wrap key(2) nonce ciphertext. Returns kind(1) id(2)."""
    fields = call.fields()
    key = call.find(Kind.WRAP_KEY, fields.u16())
    _require_aes(key)
    require(call, key, Capability.IMPORT_WRAPPED)
    return imported(call, key, wrapped.parse(_open(key, fields.rest()), key.algorithm))


def wrap_data(call: Call) -> bytes:
    """Wrap data of the host's: wrap key(2) data."""
    fields = call.fields()
    key = _data_key(call, fields.u16(), Capability.WRAP_DATA)
    data = fields.rest()
    if not data:
        raise RefusedError(Refusal.WRONG_LENGTH)
    return _seal(call, key, _DATA + data)


def unwrap_data(call: Call) -> bytes:
    """Unwrap it: wrap key(2) nonce ciphertext."""
    fields = call.fields()
    key = _data_key(call, fields.u16(), Capability.UNWRAP_DATA)
    plain = _open(key, fields.rest())
    if not plain.startswith(_DATA):
        raise RefusedError(Refusal.INVALID_DATA)
    return plain[len(_DATA) :]


def exportable(call: Call, key: Record, kind: Kind, object_id: int) -> Record:
    """Return an object that may leave under this wrap key.

    It says itself that it may, and the wrap key may pass on all that it can do.
    """
    record = call.find(kind, object_id)
    may_leave = within(Capability.EXPORTABLE_UNDER_WRAP, record.capabilities)
    if not object_id or not may_leave or not within(record.capabilities, key.delegated):
        raise RefusedError(Refusal.INSUFFICIENT_PERMISSIONS)
    return record


def imported(call: Call, key: Record, what: wrapped.Travelling) -> bytes:
    """Store what came under a wrap key, within what both key and session may pass on."""
    if not within(what.wanted.capabilities | what.wanted.delegated, key.delegated):
        raise RefusedError(Refusal.INSUFFICIENT_PERMISSIONS)
    record = call.create(what.kind, what.wanted, what.origin, what.material)
    return bytes([record.kind]) + number(record.object_id)


def require(call: Call, key: Record, capability: Capability) -> None:
    """Raise RefusedError unless both the key and the session have a capability."""
    if not within(capability, key.capabilities & call.rights.capabilities):
        raise RefusedError(Refusal.INSUFFICIENT_PERMISSIONS)


def _data_key(call: Call, object_id: int, capability: Capability) -> Record:
    key = call.find(Kind.WRAP_KEY, object_id)
    if not within(capability, call.rights.capabilities):
        raise RefusedError(Refusal.INSUFFICIENT_PERMISSIONS)
    if not within(capability, key.capabilities):
        # Until 2.5 these two commands call it bad data, as the client's own tests know.
        strict = call.device.firmware >= PERMISSION_FIRST
        raise RefusedError(Refusal.INSUFFICIENT_PERMISSIONS if strict else Refusal.INVALID_DATA)
    _require_aes(key)
    return key


def _require_aes(key: Record) -> None:
    if key.algorithm not in known.CCM_WRAP:
        raise RefusedError(Refusal.INVALID_DATA)


def _ccm(key: Record) -> AESCCM:
    return key.opened(lambda form: AESCCM(form, _TAG_SIZE))


def _seal(call: Call, key: Record, plain: bytes) -> bytes:
    nonce = call.device.random(_NONCE_SIZE)
    return nonce + _ccm(key).encrypt(nonce, plain, None)


def _open(key: Record, sealed: bytes) -> bytes:
    if len(sealed) < _NONCE_SIZE + _TAG_SIZE:
        raise RefusedError(Refusal.WRONG_LENGTH)
    try:
        return _ccm(key).decrypt(sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], None)
    except InvalidTag:
        raise RefusedError(Refusal.INVALID_DATA) from None
