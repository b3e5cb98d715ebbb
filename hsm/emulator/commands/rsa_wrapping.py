"""RSA wrap keys at work (from 2.4): PKCS #11's CKM_RSA_AES_KEY_WRAP.

An AES key made for this once goes under RSA-OAEP; what travels goes under that key (RFC 5649).
"""

from typing import NamedTuple

from cryptography.hazmat.primitives.hashes import HashAlgorithm
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)

from hsm.emulator.commands.wrapping import exportable, imported, require
from hsm.emulator.forms import digests, keys, oaep, rsa
from hsm.emulator.objects import wrapped
from hsm.emulator.objects.call import Call, Wanted, known_algorithm, known_kind
from hsm.emulator.objects.record import LABEL_SIZE, Record
from hsm.emulator.wire import algorithm as known
from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.capability import Capability
from hsm.emulator.wire.fields import Fields
from hsm.emulator.wire.kind import Kind, Origin
from hsm.emulator.wire.refusal import Refusal, RefusedError


class _Oaep(NamedTuple):
    hashed: HashAlgorithm
    mgf: HashAlgorithm


def export_wrapped_rsa(call: Call) -> bytes:
    """Wrap an object: wrap key(2) kind(1) id(2) AES(1) OAEP(1) mask(1) label-hash."""
    key, record, seal = _export(call)
    return seal(wrapped.encode(record, key.algorithm))


def wrap_key_rsa(call: Call) -> bytes:
    """Wrap a key alone: an AES key as it is, a private key as PKCS#8. The same fields."""
    _, record, seal = _export(call)
    if record.kind is Kind.SYMMETRIC_KEY:
        return seal(record.material)
    if record.kind is Kind.ASYMMETRIC_KEY:
        return seal(keys.to_pkcs8(record.algorithm, record.material))
    raise RefusedError(Refusal.INVALID_DATA)


def import_wrapped_rsa(call: Call) -> bytes:
    """Store a wrapped object: wrap key(2) OAEP(1) mask(1) data label-hash."""
    fields = call.fields()
    key = _import_key(call, fields.u16())
    scheme = _scheme(call, fields)
    plain = _unwrap(call, key, scheme, fields)
    return imported(call, key, wrapped.parse(plain, key.algorithm))


def unwrap_key_rsa(call: Call) -> bytes:
    """Store a key that came alone, described by the host.

    wrap key(2) kind(1) id(2) label(40) domains(2) capabilities(8) algorithm(1) OAEP(1) mask(1)
    data label-hash.
    """
    fields = call.fields()
    key = _import_key(call, fields.u16())
    kind = known_kind(fields.u8())
    object_id, label, domains = fields.u16(), fields.take(LABEL_SIZE), fields.u16()
    capabilities, algorithm = fields.u64(), known_algorithm(fields.u8())
    scheme = _scheme(call, fields)
    plain = _unwrap(call, key, scheme, fields)
    if kind is Kind.ASYMMETRIC_KEY:
        material = keys.from_pkcs8(algorithm, plain)
    elif kind is Kind.SYMMETRIC_KEY:
        material = keys.checked(kind, algorithm, plain)
    else:
        raise RefusedError(Refusal.INVALID_DATA)
    wanted = Wanted(object_id, label, domains, capabilities, algorithm)
    origin = Origin.IMPORTED | Origin.IMPORTED_WRAPPED
    return imported(call, key, wrapped.Travelling(kind, wanted, origin, material))


class _Seal(NamedTuple):
    call: Call
    key: Record
    size: int
    mgf: HashAlgorithm
    label_hash: bytes

    def __call__(self, plain: bytes) -> bytes:
        random = self.call.device.random
        once = random(self.size)
        modulus = int.from_bytes(self.key.material)
        octets = len(self.key.material)
        block = oaep.encode(once, octets, self.label_hash, self.mgf, random)
        under_rsa = pow(int.from_bytes(block), rsa.EXPONENT, modulus).to_bytes(octets)
        return under_rsa + aes_key_wrap_with_padding(once, plain)


def _export(call: Call) -> tuple[Record, Record, _Seal]:
    fields = call.fields()
    wrap_id, kind, object_id = fields.u16(), known_kind(fields.u8()), fields.u16()
    size = known.AES.get(known_algorithm(fields.u8()))
    scheme = _scheme(call, fields)
    label_hash = fields.take(scheme.hashed.digest_size)
    fields.end()
    if size is None:
        raise RefusedError(Refusal.INVALID_DATA)
    call.device.options.require(Algorithm.AES_KWP)
    key = call.find(Kind.PUBLIC_WRAP_KEY, wrap_id)
    require(call, key, Capability.EXPORT_WRAPPED)
    record = exportable(call, key, kind, object_id)
    return key, record, _Seal(call, key, size, scheme.mgf, label_hash)


def _scheme(call: Call, fields: Fields) -> _Oaep:
    hashed = digests.of(digests.OAEP, fields.u8())
    mgf = digests.of(digests.MGF1, fields.u8())
    call.device.options.require(digests.member(digests.OAEP, hashed))
    call.device.options.require(digests.member(digests.MGF1, mgf))
    return _Oaep(hashed, mgf)


def _import_key(call: Call, object_id: int) -> Record:
    key = call.find(Kind.WRAP_KEY, object_id)
    require(call, key, Capability.IMPORT_WRAPPED)
    if key.algorithm not in known.RSA:
        raise RefusedError(Refusal.INVALID_DATA)
    return key


def _unwrap(call: Call, key: Record, scheme: _Oaep, fields: Fields) -> bytes:
    size = rsa.modulus_size(key.algorithm)
    under_rsa = fields.take(size)
    under_aes = fields.rest(leave=scheme.hashed.digest_size)
    label_hash = fields.rest()
    blinding = int.from_bytes(call.device.random(size))
    block = key.opened(rsa.opened).apply(under_rsa, blinding)
    once = oaep.decode(block, label_hash, scheme.mgf)
    if len(once) not in known.AES.values():
        raise RefusedError(Refusal.INVALID_DATA)
    try:
        return aes_key_unwrap_with_padding(once, under_aes)
    except InvalidUnwrap:
        raise RefusedError(Refusal.INVALID_DATA) from None
