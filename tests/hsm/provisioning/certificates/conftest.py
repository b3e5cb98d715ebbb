"""A CA whose key lies in an emulated HSM, and requests of every kind."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from yubihsm.core import AuthSession, YubiHsm
from yubihsm.defs import ALGORITHM, CAPABILITY
from yubihsm.objects import AsymmetricKey

from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.emulator.objects.identity import Identity
from hsm.emulator.wire.firmware import DEFAULT, Firmware
from hsm.provisioning.certificates.ca_key import CaKey
from hsm.provisioning.certificates.issue import Issuer, self_issue
from hsm.provisioning.certificates.names import Names
from hsm.provisioning.certificates.profiles import packaged_profile
from hsm.provisioning.entropy import MixedRandomness

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
CA_NAMES = Names((("common-name", "Test CA"), ("organization", "Keystead")))
NAMES = Names((("common-name", "ann"),), (("email", "ann@example.org"),))
_IDENTITY = Identity.create(secrets.token_bytes)

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def a_device(firmware: Firmware = DEFAULT) -> tuple[YubiHsm, AuthSession]:
    hsm = YubiHsm(EmulatorBackend(Emulator(identity=_IDENTITY, firmware=firmware)))
    return hsm, hsm.create_session_derived(1, "password")


def a_ca_key(hsm: YubiHsm, session: AuthSession, algorithm: ALGORITHM) -> CaKey:
    made = AsymmetricKey.generate(session, 0, "ca", 1, CAPABILITY.SIGN_ECDSA, algorithm)
    return CaKey.use(hsm, session, made.id)


def a_ca(algorithm: ALGORITHM = ALGORITHM.EC_P384) -> Issuer:
    hsm, session = a_device()
    key = a_ca_key(hsm, session, algorithm)
    randomness = MixedRandomness(session.get_pseudo_random)
    own = self_issue(key, packaged_profile("root-ca"), CA_NAMES, randomness, now=NOW)
    return Issuer(key, own, randomness)


@pytest.fixture(scope="session", params=[ALGORITHM.EC_P256, ALGORITHM.EC_P384])
def issuer(request: pytest.FixtureRequest) -> Issuer:
    """Provide a CA of each curve."""
    return a_ca(request.param)


@pytest.fixture(scope="session")
def one_issuer() -> Issuer:
    return a_ca()


Signed = Callable[[x509.CertificateSigningRequestBuilder], x509.CertificateSigningRequestBuilder]


def a_request(
    key: Key | None = None,
    *,
    subject: str = "ann",
    more: Signed = lambda builder: builder,
    digest: SHA256 | SHA384 | SHA512 | None = SHA256(),  # noqa: B008 - no state
) -> bytes:
    """Return a request in PEM. more: what it wishes for beside its name."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = [x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else []
    builder = more(x509.CertificateSigningRequestBuilder().subject_name(x509.Name(name)))
    if isinstance(key, ed25519.Ed25519PrivateKey):
        digest = None
    return builder.sign(key, digest).public_bytes(Encoding.PEM)
