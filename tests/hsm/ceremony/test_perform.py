"""A ceremony makes a device what its manifest says, once, and leaves no known password behind."""

import secrets as randomness
from dataclasses import replace

import pytest
from yubihsm.core import AuthSession, YubiHsm
from yubihsm.defs import AUDIT, CAPABILITY, COMMAND, ERROR, OBJECT
from yubihsm.exceptions import YubiHsmDeviceError
from yubihsm.objects import AsymmetricKey, AuthenticationKey, Opaque, OtpAeadKey, WrapKey

from hsm import startup
from hsm.ceremony import steps
from hsm.ceremony.perform import CeremonyRefusedError, Performance, perform
from hsm.ceremony.plan import left_for_restore
from hsm.ceremony.reach import CeremonyError, Secrets
from hsm.credentials import HsmSecret
from hsm.device.opening import open_session
from hsm.drift import Kind
from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.faults import Fault
from hsm.emulator.objects.identity import Identity
from hsm.emulator.wire.firmware import KNOWN, Firmware
from hsm.genuine import Kind as Genuine
from hsm.logins import admits, factory_login, role_login
from hsm.manifest import Manifest, issuing, validation
from hsm.vault import VaultError
from tests.hsm.ceremony.conftest import Bench, Make

OLD = Firmware(2, 2, 0)
CASES = [(firmware, validation()) for firmware in KNOWN]
CASES += [(firmware, issuing()) for firmware in KNOWN if firmware >= (2, 4, 0)]


def factory(bench: Bench) -> AuthSession:
    return YubiHsm(EmulatorBackend(bench.emulator)).create_session_derived(1, "password")


def grave(bench: Bench, manifest: Manifest) -> list[Kind]:
    report = startup.check(bench.device, manifest, bench.secrets.host)
    return [one.kind for one in report.grave]


def state(bench: Bench) -> tuple[object, ...]:
    """Return what a device keeps, but for its log: old firmware logs that it was read."""
    device = bench.emulator.device
    records = [(one.info(), one.material) for one in device.store]
    return records, device.options.force_audit, dict(device.options.audit)


@pytest.mark.parametrize(
    ("firmware", "manifest"), CASES, ids=lambda value: getattr(value, "name", None) or str(value)
)
def test_afterwards_the_device_is_what_the_manifest_says(
    make: Make, firmware: Firmware, manifest: Manifest
) -> None:
    bench = make(firmware)
    transcript = perform(bench.device, manifest, bench.secrets)
    report = startup.check(bench.device, manifest, bench.secrets.host)
    assert report.findings == ()
    assert report.genuineness is not None
    assert report.genuineness.kind is Genuine.EMULATOR
    assert report.genuineness.serial == transcript.body["device"]["serial"]


@pytest.mark.parametrize("firmware", KNOWN, ids=str)
def test_s24_the_factorys_password_never_opens_the_device_again(
    make: Make, firmware: Firmware
) -> None:
    bench = make(firmware)
    assert admits(bench.device, factory_login())
    perform(bench.device, validation(), bench.secrets)
    hsm = YubiHsm(EmulatorBackend(bench.emulator))
    with pytest.raises(YubiHsmDeviceError) as refused:
        hsm.create_session_derived(1, "password")
    assert refused.value.code == ERROR.OBJECT_NOT_FOUND
    bench.emulator.reboot()
    perform(bench.device, validation(), bench.secrets)
    assert not admits(bench.device, factory_login())


@pytest.mark.parametrize("firmware", KNOWN, ids=str)
def test_a_second_ceremony_changes_nothing(make: Make, firmware: Firmware) -> None:
    bench = make(firmware)
    perform(bench.device, validation(), bench.secrets)
    before = startup.read(bench.device, validation(), bench.secrets.host)
    again = perform(bench.device, validation(), bench.secrets)
    assert again.body["steps"] == []
    assert startup.read(bench.device, validation(), bench.secrets.host) == before


def test_keys_do_what_their_roles_are_for(bench: Bench) -> None:
    manifest = validation()
    perform(bench.device, manifest, bench.secrets)
    host = bench.secrets.host
    otp_key = manifest.object("otp").id
    with open_session(bench.device, role_login(host, manifest.role("provisioner"))) as session:
        aead = OtpAeadKey(session, otp_key).create_otp_aead(bytes(16), bytes(6))
    with open_session(bench.device, role_login(host, manifest.role("validator"))) as session:
        # An OTP of that key: sixteen zero octets decrypted are none, and the device says so.
        refused = ERROR.OK
        try:
            OtpAeadKey(session, otp_key).decrypt_otp(aead, bytes(16))
        except YubiHsmDeviceError as error:
            refused = error.code
    assert refused == ERROR.INVALID_OTP
    ceremony = bench.secrets.ceremony
    data_keys = manifest.object("data-keys").id
    with open_session(bench.device, role_login(ceremony, manifest.role("sealer"))) as session:
        wrapped = WrapKey(session, data_keys).wrap_data(b"a data key")
    with open_session(bench.device, role_login(host, manifest.role("unsealer"))) as session:
        assert WrapKey(session, data_keys).unwrap_data(wrapped) == b"a data key"


def test_the_nonce_id_is_the_manifests_not_its_mirror_image(bench: Bench) -> None:
    manifest = validation()
    perform(bench.device, manifest, bench.secrets)
    record = bench.emulator.device.store.get(7, manifest.object("otp").id)  # type: ignore[arg-type]
    assert record is not None
    assert record.material[:4] == (manifest.object("otp").nonce_id or 0).to_bytes(4, "little")


def test_what_is_logged_is_fixed_and_opening_otps_is_not_in_it(bench: Bench) -> None:
    manifest = validation()
    perform(bench.device, manifest, bench.secrets)
    found = startup.read(bench.device, manifest, bench.secrets.host)
    assert found.force_audit is AUDIT.FIXED
    assert found.audit[COMMAND.DECRYPT_OTP] is AUDIT.OFF
    assert {one for one, setting in found.audit.items() if setting is AUDIT.FIXED} == (
        manifest.options.audited
    )


def test_a_clone_leaves_the_shared_keys_for_a_restore(bench: Bench) -> None:
    manifest = validation()
    Performance(bench.device, manifest, bench.secrets).perform(clone=True)
    report = startup.check(bench.device, manifest, bench.secrets.host)
    left = {one.name for one in left_for_restore(manifest)}
    assert left == {"otp", "data-keys"}
    assert {(one.kind, one.subject) for one in report.findings} == {
        (Kind.MISSING, name) for name in left
    }


def test_a_password_that_was_changed_can_be_told(bench: Bench) -> None:
    AuthenticationKey(factory(bench), 1).change_password("another one")
    with pytest.raises(CeremonyError, match="lets nobody in"):
        perform(bench.device, validation(), bench.secrets)
    Performance(bench.device, validation(), bench.secrets).perform("another one")
    assert not admits(bench.device, factory_login("another one"))
    assert grave(bench, validation()) == []


def test_another_secret_for_a_made_device_is_refused_and_changes_nothing(bench: Bench) -> None:
    perform(bench.device, validation(), bench.secrets)
    before = state(bench)
    strange = Secrets(bench.secrets.host, HsmSecret.generate("ceremony"))
    with pytest.raises(CeremonyError, match="Nothing was changed"):
        perform(bench.device, validation(), strange)
    assert state(bench) == before


def test_the_factorys_key_stays_while_a_role_was_made_from_another_secret(bench: Bench) -> None:
    bench.mishaps.plan(*[None] * 60, Fault.UNHEARD)
    with pytest.raises(VaultError):
        perform(bench.device, validation(), bench.secrets)
    strange = Secrets(HsmSecret.generate("host"), bench.secrets.ceremony)
    with pytest.raises(CeremonyError, match="made from another secret"):
        perform(bench.device, validation(), strange)
    assert admits(bench.device, factory_login())
    perform(bench.device, validation(), bench.secrets)
    assert grave(bench, validation()) == []


def refused_kinds(bench: Bench, manifest: Manifest) -> set[Kind]:
    """Return why a ceremony is refused, and prove that it changed nothing."""
    before = state(bench)
    with pytest.raises(CeremonyRefusedError, match="nothing was done") as refused:
        perform(bench.device, manifest, bench.secrets)
    assert state(bench) == before
    return {one.kind for one in refused.value.refused.refusals}


def test_firmware_that_is_too_old_is_refused(make: Make) -> None:
    newer = validation().model_copy(update={"firmware": (2, 4, 0)})
    assert refused_kinds(make(OLD), newer) == {Kind.FIRMWARE}


def test_an_elliptic_ca_key_on_firmware_before_2_4_is_refused_even_if_the_manifest_allows_it(
    make: Make,
) -> None:
    lax = issuing().model_copy(update={"firmware": (2, 2, 0)})
    assert refused_kinds(make(OLD), lax) == {Kind.ADVISORY}


def test_what_lies_in_the_way_is_refused_and_never_deleted(bench: Bench) -> None:
    AsymmetricKey.generate(
        factory(bench),
        0x0301,
        "mine",
        1,
        CAPABILITY.SIGN_ECDSA,
        validation().object("identity").algorithm,
    )
    assert refused_kinds(bench, validation()) == {Kind.DIFFERENT}
    assert factory(bench).list_objects(object_id=0x0301)


def test_a_key_that_opens_the_device_and_is_not_in_the_manifest_is_refused(bench: Bench) -> None:
    none = CAPABILITY.NONE
    AuthenticationKey.put_derived(factory(bench), 0x0777, "spare", 1, none, none, "a password")
    assert refused_kinds(bench, validation()) == {Kind.INTRUDER}


def test_other_things_are_left_alone_and_told(bench: Bench) -> None:
    algorithm = validation().object("identity-certificate").algorithm
    Opaque.put(factory(bench), 0x0999, "mine", 1, CAPABILITY.NONE, algorithm, b"a certificate")
    transcript = perform(bench.device, validation(), bench.secrets)
    assert any("0x0999" in one for one in transcript.body["remarks"])
    assert grave(bench, validation()) == []


def test_options_that_are_fixed_already_are_told_before_anything_is_done(bench: Bench) -> None:
    factory(bench).set_command_audit({COMMAND.DECRYPT_OTP: AUDIT.FIXED})
    assert refused_kinds(bench, validation()) == {Kind.FIXED}


def test_an_algorithm_that_is_turned_off_is_told_before_anything_is_done(bench: Bench) -> None:
    factory(bench).set_enabled_algorithms({validation().object("otp").algorithm: False})
    assert refused_kinds(bench, validation()) == {Kind.ALGORITHM}


def test_a_log_without_room_is_kept_before_it_is_cleared(make: Make) -> None:
    bench, kept = make(OLD), list[bytes]()
    session = factory(bench)
    for _ in range(80):  # this firmware logs everything
        session.get_pseudo_random(1)
    performance = Performance(bench.device, validation(), bench.secrets, archive=kept.extend)
    transcript = performance.perform()
    assert len(kept) >= 50
    assert transcript.body["log"][: len(kept)] == [one.hex() for one in kept]


def test_a_device_with_the_attestation_of_another_keeps_its_factorys_key(bench: Bench) -> None:
    # What a device says of itself is no proof: this one says another serial than its attestation.
    other = Identity.create(randomness.token_bytes)
    device = bench.emulator.device
    device.identity = replace(device.identity, certificate=other.certificate)
    with pytest.raises(CeremonyError, match="not the device it claims to be"):
        perform(bench.device, validation(), bench.secrets)
    assert admits(bench.device, factory_login())


def test_a_certificate_of_another_identity_key_is_refused(bench: Bench) -> None:
    manifest = validation()
    perform(bench.device, manifest, bench.secrets)
    admin = role_login(bench.secrets.ceremony, manifest.role("admin"))
    with open_session(bench.device, admin) as session:
        AsymmetricKey(session, manifest.object("identity").id).delete()
    with pytest.raises(CeremonyRefusedError, match="another key's"):
        perform(bench.device, manifest, bench.secrets)
    with open_session(bench.device, admin) as session:
        steps.generate(session, manifest.object("identity"), (2, 4, 1))
    with pytest.raises(CeremonyError, match="certifies another key"):
        perform(bench.device, manifest, bench.secrets)
    with open_session(bench.device, admin) as session:
        Opaque(session, manifest.object("identity-certificate").id).delete()
    transcript = perform(bench.device, manifest, bench.secrets)
    assert [one["command"] for one in transcript.body["steps"]] == ["SIGN_ATTESTATION_CERTIFICATE"]


def test_every_object_lies_where_the_manifest_says(bench: Bench) -> None:
    manifest = validation()
    perform(bench.device, manifest, bench.secrets)
    found = startup.read(bench.device, manifest, bench.secrets.host)
    roles = {one.place for one in manifest.roles}
    assert set(found.objects) == roles | {one.place for one in manifest.objects}
    assert all(one.type in list(OBJECT) for one in found.objects)
