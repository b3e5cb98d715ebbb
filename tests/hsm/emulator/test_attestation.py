"""Attestation, and that an emulator never passes for hardware."""

from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from yubihsm.core import AuthSession, YubiHsm
from yubihsm.defs import ALGORITHM, CAPABILITY, COMMAND, ERROR
from yubihsm.objects import AsymmetricKey, AttestationExtensions, Opaque

from hsm.emulator.core import Emulator
from tests.hsm.emulator.refused import refused


def _key(session: AuthSession) -> AsymmetricKey:
    return AsymmetricKey.generate(
        session, 0, "attested", 1, CAPABILITY.SIGN_ECDSA, ALGORITHM.EC_P256
    )


def test_the_builtin_key_attests_up_to_the_emulators_own_root(
    admin: AuthSession, emulator: Emulator
) -> None:
    statement = _key(admin).attest()
    device = Opaque(admin, 0).get_certificate()
    root = x509.load_der_x509_certificate(emulator.device.identity.root)
    statement.verify_directly_issued_by(device)
    device.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)


def test_whatever_names_the_device_says_emulator(hsm: YubiHsm, admin: AuthSession) -> None:
    statement, device = _key(admin).attest(), Opaque(admin, 0).get_certificate()
    for certificate in (statement, device):
        assert "EMULATOR" in certificate.subject.rfc4514_string()
        assert "EMULATOR" in certificate.issuer.rfc4514_string()
    info = hsm.get_device_info()
    assert "EMULATOR" in str(info.part_number)
    assert info.serial >= 0xEE000000
    assert AttestationExtensions.parse(statement).serial == info.serial


def test_every_emulator_is_another_device() -> None:
    first, second = (Emulator().device.identity for _ in range(2))
    assert first.certificate != second.certificate
    assert first.static_key != second.static_key


def test_a_reset_renews_the_static_key_and_nothing_else_of_the_identity(
    admin: AuthSession, emulator: Emulator
) -> None:
    before = emulator.device.identity
    admin.send_secure_cmd(COMMAND.RESET_DEVICE)
    after = emulator.device.identity
    assert after.static_key != before.static_key
    assert replace(after, static_key=before.static_key) == before


def test_no_secret_shows_in_an_identity(emulator: Emulator) -> None:
    shown = repr(emulator.device.identity)
    assert "static_key" not in shown
    assert "attestation_key" not in shown


def test_the_builtin_objects_are_neither_listed_nor_deleted(admin: AuthSession) -> None:
    assert [one.id for one in admin.list_objects()] == [1]
    with refused(ERROR.INVALID_ID):
        Opaque(admin, 0).delete()


def test_the_builtin_key_signs_nothing_but_attestations(admin: AuthSession) -> None:
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        AsymmetricKey(admin, 0).sign_ecdsa(b"data")


def test_an_attesting_key_needs_its_certificate_and_the_right(admin: AuthSession) -> None:
    attested = _key(admin)
    attesting = AsymmetricKey.put(
        admin,
        9,
        "attesting",
        1,
        CAPABILITY.SIGN_ATTESTATION_CERTIFICATE,
        ec.generate_private_key(ec.SECP256R1()),
    )
    with refused(ERROR.OBJECT_NOT_FOUND):
        attested.attest(attesting.id)
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        attested.attest(attested.id)
    Opaque.put(
        admin, 9, "no certificate", 1, CAPABILITY.NONE, ALGORITHM.OPAQUE_X509_CERTIFICATE, b"data"
    )
    with refused(ERROR.INVALID_DATA):
        attested.attest(attesting.id)
