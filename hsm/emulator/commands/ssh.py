"""SSH certificates, signed within a template's limits. From documents and Yubico's tool only."""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from hsm.emulator.forms import digests, rsa
from hsm.emulator.objects.call import Call
from hsm.emulator.objects.ssh_template import SshRequest, SshTemplate
from hsm.emulator.wire import algorithm as known
from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.capability import Capability
from hsm.emulator.wire.kind import Kind
from hsm.emulator.wire.refusal import Refusal, RefusedError

_NAMES = {
    Algorithm.RSA_PKCS1_SHA1: b"ssh-rsa",
    Algorithm.RSA_PKCS1_SHA256: b"rsa-sha2-256",
    Algorithm.RSA_PKCS1_SHA512: b"rsa-sha2-512",
}
_TIME_SIGNATURE_SIZE = 256


def sign_ssh_certificate(call: Call) -> bytes:
    """Sign a certificate: key(2) template(2) algorithm(1) now(4) signature(256) request.

    The signature is that of the template's time key, RSA-2048 with SHA-256, over the request's
    SHA-256 and the time. Returns the signature as the certificate's last field.
    """
    fields = call.fields()
    key_id, template_id = fields.u16(), fields.u16()
    asked = fields.u8()
    algorithm = next((one for one in _NAMES if one == asked), None)
    stated = fields.take(4)
    signature = fields.take(_TIME_SIGNATURE_SIZE)
    request = fields.rest()
    key = call.use(Kind.ASYMMETRIC_KEY, key_id, Capability.SIGN_SSH_CERTIFICATE)
    template = SshTemplate.parse(call.find(Kind.TEMPLATE, template_id).material)
    if key.algorithm not in known.RSA or algorithm is None:
        raise RefusedError(Refusal.INVALID_DATA)
    call.device.options.require(algorithm)
    _require_time(template, stated, signature, request)
    asked_for = SshRequest.parse(request)
    if key_id not in template.ca_keys or not asked_for.within(template, int.from_bytes(stated)):
        raise RefusedError(Refusal.SSH_CA_CONSTRAINT_VIOLATION)
    hashed = digests.of(digests.PKCS1, algorithm)
    made = key.opened(rsa.opened).key.sign(request, PKCS1v15(), hashed)
    return _string(_string(_NAMES[algorithm]) + _string(made))


def _require_time(template: SshTemplate, stated: bytes, signature: bytes, request: bytes) -> None:
    size = rsa.modulus_size(Algorithm.RSA_2048)
    if template.time_algorithm != Algorithm.RSA_2048 or len(template.time_key) != size:
        raise RefusedError(Refusal.INVALID_DATA)
    try:
        key = RSAPublicNumbers(rsa.EXPONENT, int.from_bytes(template.time_key)).public_key()
        signed = hashlib.sha256(request).digest() + stated
        key.verify(signature, signed, PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        raise RefusedError(Refusal.SSH_CA_CONSTRAINT_VIOLATION) from None


def _string(content: bytes) -> bytes:
    return len(content).to_bytes(4) + content
