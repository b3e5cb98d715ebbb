"""Every kind of drift of a device from its manifest is found at the start of the service."""

import secrets as randomness
from collections.abc import Callable

import pytest
from yubihsm.core import AuthSession
from yubihsm.defs import ALGORITHM, AUDIT, CAPABILITY, COMMAND, OBJECT
from yubihsm.objects import (
    AsymmetricKey,
    AuthenticationKey,
    HmacKey,
    Opaque,
    OtpAeadKey,
    WrapKey,
    YhsmObject,
)

from hsm import startup
from hsm.ceremony.perform import perform
from hsm.ceremony.reach import Secrets
from hsm.credentials import HsmSecret
from hsm.device.errors import DeviceRefusedError, DeviceUnavailableError
from hsm.device.line import Device
from hsm.device.opening import open_session
from hsm.drift import Kind
from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.emulator.faults import Fault, Mishaps
from hsm.genuine import Kind as Genuine
from hsm.logins import role_login
from hsm.manifest import Manifest, validation

MANIFEST = validation()
NONE, ALL = CAPABILITY.NONE, CAPABILITY.ALL


class Made:
    """A device after its ceremony, and an administrator who changes it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.mishaps = Mishaps(Emulator(clock=lambda: self.now))
        self.device = Device("the bench", lambda: EmulatorBackend(self.mishaps))
        self.secrets = Secrets(HsmSecret.generate("host"), HsmSecret.generate("ceremony"))
        perform(self.device, MANIFEST, self.secrets)

    def change(self, act: Callable[[AuthSession], object]) -> None:
        login = role_login(self.secrets.ceremony, MANIFEST.role("admin"))
        with open_session(self.device, login) as session:
            act(session)

    def found(self, manifest: Manifest = MANIFEST) -> startup.Report:
        return startup.check(self.device, manifest, self.secrets.host)

    def remake_role(self, name: str, **changed: int) -> None:
        """Make a role anew, with its own credential, and something changed."""
        role = MANIFEST.role(name)
        keys = self.secrets.login(role)
        label = f"{changed.pop('label', role.name)}"
        rights = {
            "domains": role.domains,
            "capabilities": role.capabilities,
            "delegated": role.delegated,
        } | changed

        def act(session: AuthSession) -> None:
            AuthenticationKey(session, role.id).delete()
            AuthenticationKey.put(
                session,
                role.id,
                label,
                rights["domains"],
                CAPABILITY(rights["capabilities"]),
                CAPABILITY(rights["delegated"]),
                keys.encryption,
                keys.mac,
            )

        self.change(act)


@pytest.fixture
def made() -> Made:
    return Made()


def test_a_device_after_its_ceremony_has_no_findings(made: Made) -> None:
    report = made.found()
    assert report.findings == ()
    assert report.genuineness is not None
    assert report.genuineness.kind is Genuine.EMULATOR


def only(made: Made, kind: Kind, subject: str, *words: str) -> None:
    """Expect one finding, about one thing, that says these words."""
    (finding,) = made.found().findings
    assert (finding.kind, finding.subject) == (kind, subject)
    assert all(word in str(finding) for word in words), str(finding)


def test_a_role_that_may_more_is_found(made: Made) -> None:
    more = int(MANIFEST.role("validator").capabilities | CAPABILITY.EXPORT_WRAPPED)
    made.remake_role("validator", capabilities=more)
    only(made, Kind.DIFFERENT, "validator", "export-wrapped", "in the manifest: decrypt-otp")


def test_a_role_that_may_less_is_found(made: Made) -> None:
    made.remake_role("provisioner", capabilities=int(CAPABILITY.CREATE_OTP_AEAD))
    only(made, Kind.DIFFERENT, "provisioner", "get-pseudo-random")


def test_a_role_that_may_hand_on_rights_is_found(made: Made) -> None:
    made.remake_role("unsealer", delegated=int(CAPABILITY.UNWRAP_DATA))
    only(made, Kind.DIFFERENT, "unsealer", "delegated capabilities", "in the manifest: none")


def test_a_role_in_other_domains_is_found(made: Made) -> None:
    made.remake_role("validator", domains=0b11)
    only(made, Kind.DIFFERENT, "validator", "domains on the device: 1, 2", "in the manifest: 1")


def test_a_role_under_another_name_is_found(made: Made) -> None:
    made.remake_role("sealer", label=7)
    only(made, Kind.DIFFERENT, "sealer", "label")


def test_a_role_that_is_gone_is_found(made: Made) -> None:
    made.change(lambda session: AuthenticationKey(session, MANIFEST.role("rotator").id).delete())
    only(made, Kind.MISSING, "rotator")


def test_a_role_with_a_strange_credential_is_found(made: Made) -> None:
    role = MANIFEST.role("validator")
    rights = (role.domains, role.capabilities, role.delegated)

    def act(session: AuthSession) -> None:
        AuthenticationKey(session, role.id).delete()
        AuthenticationKey.put_derived(session, role.id, role.name, *rights, "mine")

    made.change(act)
    only(made, Kind.CREDENTIAL, "validator", "made from another secret")


def test_the_factorys_key_is_found_although_it_is_new(made: Made) -> None:
    made.change(
        lambda session: AuthenticationKey.put_derived(session, 1, "", 0xFFFF, ALL, ALL, "password")
    )
    findings = made.found().findings
    assert [one.kind for one in findings] == [Kind.FACTORY_KEY, Kind.FACTORY_KEY]
    assert {one.subject for one in findings} == {"authentication-key 0x0001", "factory password"}


def test_key_1_with_another_password_is_found_too(made: Made) -> None:
    made.change(
        lambda session: AuthenticationKey.put_derived(session, 1, "", 0xFFFF, ALL, ALL, "mine")
    )
    only(made, Kind.FACTORY_KEY, "authentication-key 0x0001")


@pytest.mark.parametrize("name", [one.name for one in MANIFEST.objects])
def test_an_object_that_is_gone_is_found(made: Made, name: str) -> None:
    one = MANIFEST.object(name)
    made.change(lambda session: session.get_object(one.id, one.type).delete())
    only(made, Kind.MISSING, name)


def remade(one: str, **changed: object) -> Callable[[AuthSession], object]:
    """Return what deletes a key of the manifest and makes it anew, with something changed."""
    wanted = MANIFEST.object(one)
    kinds = {OBJECT.OTP_AEAD_KEY: OtpAeadKey, OBJECT.WRAP_KEY: WrapKey}
    kind: type[YhsmObject] = kinds.get(wanted.type, AsymmetricKey)

    def act(session: AuthSession) -> None:
        session.get_object(wanted.id, wanted.type).delete()
        values = {
            "domains": wanted.domains,
            "capabilities": wanted.capabilities,
            "algorithm": wanted.algorithm,
        } | changed
        arguments = [session, wanted.id, wanted.name, *values.values()]
        if kind is OtpAeadKey:
            arguments.append(1)
        if kind is WrapKey:
            arguments.append(wanted.delegated)
        kind.generate(*arguments)  # type: ignore[attr-defined]

    return act


@pytest.mark.parametrize(
    ("name", "changed", "word"),
    [
        ("otp", {"capabilities": CAPABILITY.RANDOMIZE_OTP_AEAD}, "randomize-otp-aead"),
        ("otp", {"domains": 0b101}, "domains on the device: 1, 3"),
        ("otp", {"algorithm": ALGORITHM.AES128_YUBICO_OTP}, "algorithm"),
        ("data-keys", {"capabilities": CAPABILITY.EXPORT_WRAPPED}, "export-wrapped"),
        ("identity", {"capabilities": CAPABILITY.EXPORTABLE_UNDER_WRAP}, "exportable-under-wrap"),
    ],
)
def test_an_object_that_is_not_as_it_should_be_is_found(
    made: Made, name: str, changed: dict[str, object], word: str
) -> None:
    made.change(remade(name, **changed))
    found = [one for one in made.found().findings if one.kind is Kind.DIFFERENT]
    assert [one.subject for one in found] == [name]
    assert word in str(found[0])


def test_a_key_that_somebody_brought_from_outside_is_found(made: Made) -> None:
    one = MANIFEST.object("otp")

    def act(session: AuthSession) -> None:
        OtpAeadKey(session, one.id).delete()
        OtpAeadKey.put(
            session, one.id, one.name, one.domains, one.capabilities, one.algorithm, 1,
            randomness.token_bytes(32),
        )  # fmt: skip

    made.change(act)
    only(made, Kind.ORIGIN, "otp", "somebody may know it")


def test_an_identity_key_that_was_replaced_is_an_impostors(made: Made) -> None:
    made.change(remade("identity"))
    report = made.found()
    assert report.genuineness is not None
    assert report.genuineness.kind is Genuine.IMPOSTOR
    (finding,) = report.grave
    assert finding.kind is Kind.IDENTITY
    assert "fresh nonce" in str(finding)


def test_a_successor_is_held_to_the_same_rights(made: Made) -> None:
    one = MANIFEST.object("otp")
    made.change(
        lambda session: OtpAeadKey.generate(
            session, one.id + 1, "later", one.domains, one.capabilities, one.algorithm, 1
        )
    )
    assert made.found().findings == ()
    made.change(
        lambda session: OtpAeadKey.generate(
            session, one.id + 2, "later", one.domains, NONE, one.algorithm, 1
        )
    )
    only(made, Kind.DIFFERENT, "otp", "0x0103", "capabilities on the device: none")


@pytest.mark.parametrize("kind", ["authentication", "wrap"])
def test_a_key_that_opens_the_device_is_an_intruder(made: Made, kind: str) -> None:
    def act(session: AuthSession) -> None:
        if kind == "wrap":
            WrapKey.generate(session, 0x777, "x", 1, NONE, ALGORITHM.AES256_CCM_WRAP, NONE)
        else:
            AuthenticationKey.put_derived(session, 0x777, "x", 1, NONE, NONE, "a password")

    made.change(act)
    (finding,) = made.found().grave
    assert finding.kind is Kind.INTRUDER
    assert "0x0777" in finding.subject


def test_other_unknown_things_are_told_and_stop_nobody(made: Made) -> None:
    made.change(
        lambda session: (
            Opaque.put(session, 0x777, "x", 1, NONE, ALGORITHM.OPAQUE_DATA, b"x"),
            HmacKey.generate(session, 0x778, "x", 1, NONE, ALGORITHM.HMAC_SHA256),
        )
    )
    report = made.found()
    assert [one.kind for one in report.findings] == [Kind.FOREIGN, Kind.FOREIGN]
    assert report.grave == ()


def test_options_that_were_changed_are_found(made: Made) -> None:
    made.change(lambda session: session.set_command_audit({COMMAND.DECRYPT_OTP: AUDIT.ON}))
    only(made, Kind.OPTION, "audit of decrypt-otp", "is on on the device, in the manifest off")


def test_options_that_were_fixed_are_found(made: Made) -> None:
    made.change(lambda session: session.set_command_audit({COMMAND.ECHO: AUDIT.FIXED}))
    only(made, Kind.FIXED, "audit of echo", "until the device is reset")


def test_old_firmware_is_found(made: Made) -> None:
    newer = MANIFEST.model_copy(update={"firmware": (2, 5, 0)})
    (finding,) = made.found(newer).findings
    assert finding.kind is Kind.FIRMWARE
    assert "2.4.1" in str(finding)


def test_a_device_of_another_ceremony_lets_the_service_not_in(made: Made) -> None:
    with pytest.raises(DeviceRefusedError, match="does not accept the credential"):
        startup.check(made.device, MANIFEST, HsmSecret.generate("host"))


def test_a_device_that_was_reset_lets_the_service_not_in(made: Made) -> None:
    made.change(lambda session: session.reset_device())
    with pytest.raises(DeviceRefusedError):
        made.found()


def test_a_device_that_does_not_answer_is_no_finding(made: Made) -> None:
    unanswered = 0
    for before in range(0, 60, 3):
        made.now += 60  # and the sessions of before are over
        made.mishaps.plan(*[None] * before, Fault.REPLY_LOST)
        try:
            assert made.found().findings == ()  # what was lost told that a session is over
        except DeviceUnavailableError:
            unanswered += 1
    assert unanswered > 10
