"""RSA and EC keys at work: signatures, decryption, key agreement."""

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    ECDSA,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed

from hsm.emulator.forms import digests, ec, ed25519, oaep, rsa
from hsm.emulator.objects.call import Call
from hsm.emulator.objects.record import Record
from hsm.emulator.wire import algorithm as known
from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.capability import Capability
from hsm.emulator.wire.kind import Kind
from hsm.emulator.wire.refusal import Refusal, RefusedError

_LEAST_PADDING = 8
_P224_DIGEST = 28


def sign_pkcs1(call: Call) -> bytes:
    """Sign a digest with PKCS#1 v1.5: id(2) digest, or a DigestInfo that the host has written."""
    fields = call.fields()
    record = _key(call, fields.u16(), Capability.SIGN_PKCS, known.RSA)
    digest = fields.rest()
    key = record.opened(rsa.opened).key
    hashed = digests.BY_SIZE.get(len(digest))
    try:
        if hashed is None:
            return key.sign(digest, padding.PKCS1v15(), NoDigestInfo())
        call.device.options.require(digests.member(digests.PKCS1, hashed))
        return key.sign(digest, padding.PKCS1v15(), Prehashed(hashed))
    except ValueError:
        raise RefusedError(Refusal.WRONG_LENGTH) from None


def sign_pss(call: Call) -> bytes:
    """Sign a digest with PSS: id(2) mask(1) salt length(2) digest."""
    fields = call.fields()
    record = _key(call, fields.u16(), Capability.SIGN_PSS, known.RSA)
    mask, salt, digest = fields.u8(), fields.u16(), fields.rest()
    mgf = digests.of(digests.MGF1, mask)
    hashed = digests.of_size(len(digest))
    call.device.options.require(digests.member(digests.PSS, hashed))
    call.device.options.require(digests.member(digests.MGF1, mgf))
    scheme = padding.PSS(padding.MGF1(mgf), salt)
    try:
        return record.opened(rsa.opened).key.sign(digest, scheme, Prehashed(hashed))
    except ValueError:
        raise RefusedError(Refusal.INVALID_DATA) from None  # the salt does not fit


def decrypt_pkcs1(call: Call) -> bytes:
    """Decrypt PKCS#1 v1.5: id(2) data. OpenSSL hides bad padding; the device says it is bad."""
    fields = call.fields()
    record = _key(call, fields.u16(), Capability.DECRYPT_PKCS, known.RSA)
    call.device.options.require(Algorithm.RSA_PKCS1_DECRYPT)
    block = _apply(call, record, fields.rest())
    filled, mark, message = block[2:].partition(b"\0")
    if not block.startswith(b"\x00\x02") or not mark or len(filled) < _LEAST_PADDING:
        raise RefusedError(Refusal.INVALID_DATA)
    return message


def decrypt_oaep(call: Call) -> bytes:
    """Decrypt OAEP: id(2) mask(1) data label-hash."""
    fields = call.fields()
    record = _key(call, fields.u16(), Capability.DECRYPT_OAEP, known.RSA)
    mgf = digests.of(digests.MGF1, fields.u8())
    data = fields.take(rsa.modulus_size(record.algorithm))
    label_hash = fields.rest()
    hashed = digests.of_size(len(label_hash))
    call.device.options.require(digests.member(digests.OAEP, hashed))
    call.device.options.require(digests.member(digests.MGF1, mgf))
    return oaep.decode(_apply(call, record, data), label_hash, mgf)


def sign_ecdsa(call: Call) -> bytes:
    """Sign a digest with ECDSA: id(2) digest. The reply is DER."""
    fields = call.fields()
    record = _key(call, fields.u16(), Capability.SIGN_ECDSA, known.EC)
    digest = fields.rest()
    if len(digest) == _P224_DIGEST and record.algorithm is Algorithm.EC_P224:
        # Hosts of old firmware shorten to the curve's size; zeros beyond it change nothing,
        # as ECDSA takes the leftmost bits.
        digest = digest.ljust(32, b"\0")
    hashed = digests.of_size(len(digest))
    call.device.options.require(digests.member(digests.ECDSA, hashed))
    return _ec(record).sign(digest, ECDSA(Prehashed(hashed)))


def derive_ecdh(call: Call) -> bytes:
    """Return the x coordinate shared with a public point: id(2) point (04 x y)."""
    fields = call.fields()
    record = _key(call, fields.u16(), Capability.DERIVE_ECDH, known.EC)
    call.device.options.require(Algorithm.EC_ECDH)
    point = fields.rest()
    if len(point) != 1 + 2 * ec.field_size(record.algorithm):
        raise RefusedError(Refusal.WRONG_LENGTH)
    try:
        curve = ec.CURVES[record.algorithm]
        peer = EllipticCurvePublicKey.from_encoded_point(curve, point)
        return _ec(record).exchange(ECDH(), peer)
    except ValueError:
        raise RefusedError(Refusal.INVALID_DATA) from None


def sign_eddsa(call: Call) -> bytes:
    """Sign a message with Ed25519: id(2) message."""
    fields = call.fields()
    allowed = frozenset({Algorithm.EC_ED25519})
    record = _key(call, fields.u16(), Capability.SIGN_EDDSA, allowed)
    return ed25519.sign(record.material, fields.rest())


def _key(
    call: Call, object_id: int, capability: Capability, allowed: frozenset[Algorithm]
) -> Record:
    record = call.use(Kind.ASYMMETRIC_KEY, object_id, capability)
    if record.algorithm not in allowed:
        raise RefusedError(Refusal.INVALID_DATA)
    call.device.options.require(record.algorithm)
    return record


def _ec(record: Record) -> EllipticCurvePrivateKey:
    return record.opened(lambda form: ec.private_key(record.algorithm, form))


def _apply(call: Call, record: Record, block: bytes) -> bytes:
    blinding = int.from_bytes(call.device.random(rsa.modulus_size(record.algorithm)))
    return record.opened(rsa.opened).apply(block, blinding)
