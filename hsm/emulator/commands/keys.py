"""Keys are put, generated and changed."""

from collections.abc import Collection

from hsm.emulator.channel.handshake import point
from hsm.emulator.forms import hmac_blocks, keys, rsa
from hsm.emulator.objects.call import Call, Wanted, known_algorithm, number
from hsm.emulator.wire import algorithm as known
from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.fields import Fields
from hsm.emulator.wire.kind import Kind, Origin
from hsm.emulator.wire.refusal import Refusal, RefusedError

NONCE_ID_SIZE = 4


def put_authentication_key(call: Call) -> bytes:
    """Store an authentication key: encryption and MAC keys, or the host's public key."""
    fields, wanted = _begin(call, Kind.AUTHENTICATION_KEY, known.AUTHENTICATION)
    material = _authentication(wanted.algorithm, fields)
    return _stored(call, Kind.AUTHENTICATION_KEY, wanted, Origin.IMPORTED, material)


def change_authentication_key(call: Call) -> bytes:
    """Replace the key of the very session that asks: id(2) algorithm(1) key."""
    fields = call.fields()
    object_id, algorithm = fields.u16(), known_algorithm(fields.u8())
    material = _authentication(algorithm, fields)
    if object_id != call.rights.key_id:
        raise RefusedError(Refusal.INVALID_ID)
    record = call.find(Kind.AUTHENTICATION_KEY, object_id)
    if record.algorithm is not algorithm:
        raise RefusedError(Refusal.INVALID_DATA)
    record.material = material
    call.device.store.change(record)
    call.device.version += 1
    return number(object_id)


def put_asymmetric_key(call: Call) -> bytes:
    """Store a private key: two primes, a scalar, or a seed."""
    fields, wanted = _begin(call, Kind.ASYMMETRIC_KEY, known.ASYMMETRIC)
    material = keys.internal(wanted.algorithm, fields.rest())
    return _stored(call, Kind.ASYMMETRIC_KEY, wanted, Origin.IMPORTED, material)


def generate_asymmetric_key(call: Call) -> bytes:
    """Make a private key that was never anywhere else."""
    fields, wanted = _begin(call, Kind.ASYMMETRIC_KEY, known.ASYMMETRIC)
    fields.end()
    material = keys.generate(wanted.algorithm, call.device.random)
    return _stored(call, Kind.ASYMMETRIC_KEY, wanted, Origin.GENERATED, material)


def put_hmac_key(call: Call) -> bytes:
    """Store an HMAC key of up to one block."""
    fields, wanted = _begin(call, Kind.HMAC_KEY, known.HMAC)
    material = hmac_blocks.internal(wanted.algorithm, fields.rest())
    return _stored(call, Kind.HMAC_KEY, wanted, Origin.IMPORTED, material)


def generate_hmac_key(call: Call) -> bytes:
    """Make an HMAC key of one block."""
    fields, wanted = _begin(call, Kind.HMAC_KEY, known.HMAC)
    fields.end()
    key = call.device.random(hmac_blocks.BLOCK[wanted.algorithm])
    material = hmac_blocks.internal(wanted.algorithm, key)
    return _stored(call, Kind.HMAC_KEY, wanted, Origin.GENERATED, material)


def put_wrap_key(call: Call) -> bytes:
    """Store an AES key, or the two primes of an RSA key, for wrapping."""
    fields, wanted = _begin(call, Kind.WRAP_KEY, known.CCM_WRAP.keys() | known.RSA)
    if wanted.algorithm in known.RSA:
        material = rsa.internal(wanted.algorithm, fields.rest())
    else:
        material = _exactly(fields, known.CCM_WRAP[wanted.algorithm])
    return _stored(call, Kind.WRAP_KEY, wanted, Origin.IMPORTED, material)


def generate_wrap_key(call: Call) -> bytes:
    """Make such a key."""
    fields, wanted = _begin(call, Kind.WRAP_KEY, known.CCM_WRAP.keys() | known.RSA)
    fields.end()
    if wanted.algorithm in known.RSA:
        material = rsa.generate(wanted.algorithm)
    else:
        material = call.device.random(known.CCM_WRAP[wanted.algorithm])
    return _stored(call, Kind.WRAP_KEY, wanted, Origin.GENERATED, material)


def put_public_wrap_key(call: Call) -> bytes:
    """Store another device's RSA modulus, to wrap for it."""
    fields, wanted = _begin(call, Kind.PUBLIC_WRAP_KEY, known.RSA)
    material = _exactly(fields, rsa.modulus_size(wanted.algorithm))
    if not material[0] & 0x80 or not material[-1] & 1:
        raise RefusedError(Refusal.INVALID_DATA)  # shorter than it says, or no product of primes
    return _stored(call, Kind.PUBLIC_WRAP_KEY, wanted, Origin.IMPORTED, material)


def put_otp_aead_key(call: Call) -> bytes:
    """Store a key for OTP credentials: nonce id(4, kept as it comes) key."""
    fields, wanted = _begin(call, Kind.OTP_AEAD_KEY, known.OTP)
    material = _exactly(fields, NONCE_ID_SIZE + known.OTP[wanted.algorithm])
    return _stored(call, Kind.OTP_AEAD_KEY, wanted, Origin.IMPORTED, material)


def generate_otp_aead_key(call: Call) -> bytes:
    """Make such a key: nonce id(4)."""
    fields, wanted = _begin(call, Kind.OTP_AEAD_KEY, known.OTP)
    material = _exactly(fields, NONCE_ID_SIZE) + call.device.random(known.OTP[wanted.algorithm])
    return _stored(call, Kind.OTP_AEAD_KEY, wanted, Origin.GENERATED, material)


def put_symmetric_key(call: Call) -> bytes:
    """Store an AES key."""
    fields, wanted = _begin(call, Kind.SYMMETRIC_KEY, known.AES)
    material = _exactly(fields, known.AES[wanted.algorithm])
    return _stored(call, Kind.SYMMETRIC_KEY, wanted, Origin.IMPORTED, material)


def generate_symmetric_key(call: Call) -> bytes:
    """Make an AES key."""
    fields, wanted = _begin(call, Kind.SYMMETRIC_KEY, known.AES)
    fields.end()
    material = call.device.random(known.AES[wanted.algorithm])
    return _stored(call, Kind.SYMMETRIC_KEY, wanted, Origin.GENERATED, material)


def _begin(call: Call, kind: Kind, allowed: Collection[Algorithm]) -> tuple[Fields, Wanted]:
    fields = call.fields()
    wanted = call.wanted(fields, kind)
    if wanted.algorithm not in allowed:
        raise RefusedError(Refusal.INVALID_DATA)
    call.device.options.require(wanted.algorithm)
    return fields, wanted


def _stored(call: Call, kind: Kind, wanted: Wanted, origin: Origin, material: bytes) -> bytes:
    return number(call.create(kind, wanted, origin, material).object_id)


def _exactly(fields: Fields, size: int) -> bytes:
    material = fields.take(size)
    fields.end()
    return material


def _authentication(algorithm: Algorithm, fields: Fields) -> bytes:
    size = known.AUTHENTICATION.get(algorithm)
    if size is None:
        raise RefusedError(Refusal.INVALID_DATA)
    material = _exactly(fields, size)
    if algorithm is Algorithm.EC_P256_YUBICO_AUTHENTICATION:
        point(b"\x04" + material)
    return material
