"""Yubico OTP credentials: sealed for the host to keep, opened here to decrypt an OTP.

A credential is nonce(6) and, under AES-CCM with an 8-octet tag, AES key(16) and private id(6).
Nothing binds it to a public id: that is for whoever stores it.
"""

from hmac import compare_digest

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from hsm.emulator.commands.keys import NONCE_ID_SIZE
from hsm.emulator.objects.call import Call
from hsm.emulator.objects.record import Record
from hsm.emulator.wire.capability import Capability
from hsm.emulator.wire.kind import Kind
from hsm.emulator.wire.refusal import Refusal, RefusedError
from validation import crc

_KEY_SIZE, _PRIVATE_ID_SIZE, _OTP_SIZE = 16, 6, 16
_NONCE_SIZE, _TAG_SIZE = 6, 8
CREDENTIAL_SIZE = _KEY_SIZE + _PRIVATE_ID_SIZE
AEAD_SIZE = _NONCE_SIZE + CREDENTIAL_SIZE + _TAG_SIZE


def create_otp_aead(call: Call) -> bytes:
    """Seal a credential that the host knows: id(2) AES key(16) private id(6)."""
    fields = call.fields()
    record = call.use(Kind.OTP_AEAD_KEY, fields.u16(), Capability.CREATE_OTP_AEAD)
    credential = fields.take(CREDENTIAL_SIZE)
    fields.end()
    return _seal(call, record, credential)


def randomize_otp_aead(call: Call) -> bytes:
    """Seal a credential that nobody knows: id(2)."""
    fields = call.fields()
    record = call.use(Kind.OTP_AEAD_KEY, fields.u16(), Capability.RANDOMIZE_OTP_AEAD)
    fields.end()
    return _seal(call, record, call.device.random(CREDENTIAL_SIZE))


def rewrap_otp_aead(call: Call) -> bytes:
    """Seal a credential under another key: from(2) to(2) AEAD."""
    fields = call.fields()
    source, target = fields.u16(), fields.u16()
    old = call.use(Kind.OTP_AEAD_KEY, source, Capability.REWRAP_FROM_OTP_AEAD_KEY)
    new = call.use(Kind.OTP_AEAD_KEY, target, Capability.REWRAP_TO_OTP_AEAD_KEY)
    aead = fields.take(AEAD_SIZE)
    fields.end()
    return _seal(call, new, _open(old, aead))


def decrypt_otp(call: Call) -> bytes:
    """Decrypt an OTP: id(2) AEAD(36) OTP(16).

    Returns session(2) use(1) clock high(1) clock low(2), little-endian.
    """
    fields = call.fields()
    record = call.use(Kind.OTP_AEAD_KEY, fields.u16(), Capability.DECRYPT_OTP)
    aead, otp = fields.take(AEAD_SIZE), fields.take(_OTP_SIZE)
    fields.end()
    credential = _open(record, aead)
    # One block, as the YubiKey made it.
    decryptor = Cipher(AES(credential[:_KEY_SIZE]), ECB()).decryptor()  # noqa: S305
    block = decryptor.update(otp)
    private_id = block[:_PRIVATE_ID_SIZE]
    if not crc.is_valid(block) or not compare_digest(private_id, credential[_KEY_SIZE:]):
        raise RefusedError(Refusal.INVALID_OTP)
    # Inside: private id(6) session(2) clock low(2) clock high(1) use(1) random(2) CRC(2).
    return block[6:8] + block[11:12] + block[10:11] + block[8:10]


def _ccm(record: Record) -> AESCCM:
    return record.opened(lambda form: AESCCM(form[NONCE_ID_SIZE:], _TAG_SIZE))


def _nonce(record: Record, random: bytes) -> bytes:
    return record.material[:NONCE_ID_SIZE] + random + bytes(3)


def _seal(call: Call, record: Record, credential: bytes) -> bytes:
    random = call.device.random(_NONCE_SIZE)
    return random + _ccm(record).encrypt(_nonce(record, random), credential, None)


def _open(record: Record, aead: bytes) -> bytes:
    random, sealed = aead[:_NONCE_SIZE], aead[_NONCE_SIZE:]
    try:
        return _ccm(record).decrypt(_nonce(record, random), sealed, None)
    except InvalidTag:
        raise RefusedError(Refusal.INVALID_DATA) from None
