"""SSH certificates, judged by what OpenSSH's format and `cryptography` make of them."""

import base64
import hashlib
import struct

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from yubihsm.core import AuthSession
from yubihsm.defs import ALGORITHM, CAPABILITY, ERROR
from yubihsm.objects import AsymmetricKey, Template

from tests.hsm.emulator.refused import refused

_NOW = 1_700_000_000


def _string(content: bytes) -> bytes:
    return struct.pack("!I", len(content)) + content


def _tlv(tag: int, value: bytes) -> bytes:
    return struct.pack("!BH", tag, len(value)) + value


@pytest.fixture(scope="module")
def ca() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def timekeeper() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _blob(key: rsa.RSAPublicKey) -> bytes:
    text = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return base64.b64decode(text.split()[1])


def _request(ca: rsa.RSAPrivateKey, principal: bytes, valid: tuple[int, int]) -> bytes:
    """Write a certificate up to where its signature would stand."""
    user = ca.public_key()
    return b"".join(
        (
            _string(b"ssh-rsa-cert-v01@openssh.com"),
            _string(bytes(32)),
            _blob(user)[11:],
            struct.pack("!QI", 7, 1),
            _string(b"key id"),
            _string(_string(principal)),
            struct.pack("!QQ", *valid),
            _string(b""),
            _string(b""),
            _string(b""),
            _string(_blob(ca.public_key())),
        )
    )


def _template(timekeeper: rsa.RSAPrivateKey, ca_key: int, after: int = 60) -> bytes:
    modulus = timekeeper.public_key().public_numbers().n.to_bytes(256)
    return b"".join(
        (
            _tlv(1, bytes([ALGORITHM.RSA_2048])),
            _tlv(2, modulus),
            _tlv(3, struct.pack("!H", ca_key)),
            _tlv(4, struct.pack("!I", 60)),
            _tlv(5, struct.pack("!I", after)),
            _tlv(6, b"root\0toor\0"),
        )
    )


class Desk:
    """A CA key and its template on the device, and somebody who states the time."""

    def __init__(
        self, admin: AuthSession, ca: rsa.RSAPrivateKey, timekeeper: rsa.RSAPrivateKey
    ) -> None:
        may = CAPABILITY.SIGN_SSH_CERTIFICATE
        self.ca, self.timekeeper, self.admin = ca, timekeeper, admin
        self.key = AsymmetricKey.put(admin, 5, "ca", 1, may, ca)

    def store(self, template: bytes) -> Template:
        algorithm = ALGORITHM.TEMPLATE_SSH
        return Template.put(self.admin, 0, "ssh", 1, CAPABILITY.NONE, algorithm, template)

    def sign(
        self,
        template: bytes,
        principal: bytes = b"user",
        valid: tuple[int, int] = (_NOW - 60, _NOW + 60),
    ) -> bytes:
        request = _request(self.ca, principal, valid)
        stated = struct.pack("!I", _NOW)
        message = hashlib.sha256(request).digest() + stated
        signature = self.timekeeper.sign(message, padding.PKCS1v15(), hashes.SHA256())
        stored = self.store(template)
        algorithm = ALGORITHM.RSA_PKCS1_SHA256
        sent = stated + signature + request
        return request + self.key.sign_ssh_certificate(stored.id, sent, algorithm)


@pytest.fixture
def desk(admin: AuthSession, ca: rsa.RSAPrivateKey, timekeeper: rsa.RSAPrivateKey) -> Desk:
    return Desk(admin, ca, timekeeper)


def test_a_certificate_within_its_template_is_signed(desk: Desk) -> None:
    made = desk.sign(_template(desk.timekeeper, 5))
    line = b"ssh-rsa-cert-v01@openssh.com " + base64.b64encode(made)
    certificate = serialization.load_ssh_public_identity(line)
    assert isinstance(certificate, serialization.SSHCertificate)
    certificate.verify_cert_signature()
    assert certificate.valid_principals == [b"user"]


@pytest.mark.parametrize(
    ("ca_key", "principal", "valid"),
    [
        (6, b"user", (_NOW, _NOW)),
        (5, b"root", (_NOW, _NOW)),
        (5, b"user", (_NOW - 61, _NOW)),
        (5, b"user", (_NOW, _NOW + 61)),
    ],
)
def test_a_certificate_beyond_its_template_is_not(
    desk: Desk, ca_key: int, principal: bytes, valid: tuple[int, int]
) -> None:
    with refused(ERROR.SSH_CA_CONSTRAINT_VIOLATION):
        desk.sign(_template(desk.timekeeper, ca_key), principal, valid)


def test_a_template_may_leave_the_end_open(desk: Desk) -> None:
    desk.sign(_template(desk.timekeeper, 5, after=0xFFFFFFFF), valid=(_NOW, 2**64 - 1))


def test_a_time_that_a_stranger_states_is_refused(desk: Desk, ca: rsa.RSAPrivateKey) -> None:
    with refused(ERROR.SSH_CA_CONSTRAINT_VIOLATION):
        desk.sign(_template(ca, 5))


def test_a_template_is_returned_as_it_was_put(desk: Desk) -> None:
    template = _template(desk.timekeeper, 5)
    assert desk.store(template).get() == template
