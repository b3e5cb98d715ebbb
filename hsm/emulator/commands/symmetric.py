"""HMAC and AES keys at work."""

from hmac import compare_digest

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from hsm.emulator.forms import digests, hmac_blocks
from hsm.emulator.objects.call import Call
from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.capability import Capability
from hsm.emulator.wire.fields import Fields
from hsm.emulator.wire.kind import Kind
from hsm.emulator.wire.refusal import Refusal, RefusedError

_BLOCK = 16


def sign_hmac(call: Call) -> bytes:
    """Return the HMAC: id(2) data."""
    fields = call.fields()
    record = call.use(Kind.HMAC_KEY, fields.u16(), Capability.SIGN_HMAC)
    call.device.options.require(record.algorithm)
    return hmac_blocks.mac(record.algorithm, record.material, fields.rest())


def verify_hmac(call: Call) -> bytes:
    """Return 01 if an HMAC is right, otherwise 00: id(2) HMAC data."""
    fields = call.fields()
    record = call.use(Kind.HMAC_KEY, fields.u16(), Capability.VERIFY_HMAC)
    call.device.options.require(record.algorithm)
    claimed = fields.take(digests.of(digests.HMAC, record.algorithm).digest_size)
    right = hmac_blocks.mac(record.algorithm, record.material, fields.rest())
    return b"\1" if compare_digest(right, claimed) else b"\0"


def encrypt_ecb(call: Call) -> bytes:
    """Encrypt whole blocks one by one: id(2) data."""
    fields = call.fields()
    return _run(_ecb(call, fields, Capability.ENCRYPT_ECB).encryptor(), fields)


def decrypt_ecb(call: Call) -> bytes:
    """Decrypt them: id(2) data."""
    fields = call.fields()
    return _run(_ecb(call, fields, Capability.DECRYPT_ECB).decryptor(), fields)


def encrypt_cbc(call: Call) -> bytes:
    """Encrypt whole blocks chained: id(2) initial vector(16) data."""
    fields = call.fields()
    return _run(_cbc(call, fields, Capability.ENCRYPT_CBC).encryptor(), fields)


def decrypt_cbc(call: Call) -> bytes:
    """Decrypt them: id(2) initial vector(16) data."""
    fields = call.fields()
    return _run(_cbc(call, fields, Capability.DECRYPT_CBC).decryptor(), fields)


def _ecb(call: Call, fields: Fields, capability: Capability) -> Cipher[ECB]:
    record = call.use(Kind.SYMMETRIC_KEY, fields.u16(), capability)
    call.device.options.require(Algorithm.AES_ECB)
    return Cipher(AES(record.material), ECB())  # noqa: S305 - it is what the command is for


def _cbc(call: Call, fields: Fields, capability: Capability) -> Cipher[CBC]:
    record = call.use(Kind.SYMMETRIC_KEY, fields.u16(), capability)
    call.device.options.require(Algorithm.AES_CBC)
    return Cipher(AES(record.material), CBC(fields.take(_BLOCK)))


def _run(context: CipherContext, fields: Fields) -> bytes:
    data = fields.rest()
    if not data or len(data) % _BLOCK:
        raise RefusedError(Refusal.WRONG_LENGTH)
    return context.update(data) + context.finalize()
