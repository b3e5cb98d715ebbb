"""The acts of a ceremony. Credentials travel to the device sealed, and nowhere else."""

from collections.abc import Callable, Mapping
from typing import cast

from yubihsm.core import AuthSession
from yubihsm.defs import AUDIT, CAPABILITY, COMMAND, OBJECT, Version
from yubihsm.objects import AsymmetricKey, AuthenticationKey, Opaque, OtpAeadKey, WrapKey

from hsm import manifest_words as words
from hsm.ceremony.plan import Act, Step
from hsm.ceremony.reach import Secrets
from hsm.inventory import Inventory
from hsm.manifest import FACTORY_KEY, DeviceObject, Manifest

_ATTESTING_KEY = 0


class Doer:
    """Does steps through a session. It raises the library's YubiHsmError."""

    def __init__(self, manifest: Manifest, secrets: Secrets, inventory: Inventory) -> None:
        self._manifest = manifest
        self._secrets = secrets
        self._inventory = inventory

    def do(self, session: AuthSession, step: Step) -> COMMAND:
        """Do one step and return the command that did it."""
        return self._acts[step.act](self, session, step.name)

    def _audit(self, session: AuthSession, _name: str) -> COMMAND:
        audited = self._manifest.options.audited
        wanted: dict[int, AUDIT] = {}
        for command, setting in self._inventory.audit.items():
            shall = AUDIT.FIXED if command in audited else AUDIT.OFF
            if setting is not shall:
                wanted[command] = shall
        # Newer firmware may have commands that the library has no name for: the number will do.
        session.set_command_audit(cast("Mapping[COMMAND, AUDIT]", wanted))
        return COMMAND.SET_OPTION

    def _force_audit(self, session: AuthSession, _name: str) -> COMMAND:
        session.set_force_audit(self._manifest.options.force_audit)
        return COMMAND.SET_OPTION

    def _put_role(self, session: AuthSession, name: str) -> COMMAND:
        role = self._manifest.role(name)
        login = self._secrets.login(role)
        AuthenticationKey.put(
            session,
            role.id,
            role.name,
            role.domains,
            known(role.capabilities, self._inventory.firmware),
            known(role.delegated, self._inventory.firmware),
            login.encryption,
            login.mac,
        )
        return COMMAND.PUT_AUTHENTICATION_KEY

    def _generate(self, session: AuthSession, name: str) -> COMMAND:
        return generate(session, self._manifest.object(name), self._inventory.firmware)

    def _attest(self, session: AuthSession, name: str) -> COMMAND:
        certificate = self._manifest.object(name)
        key = AsymmetricKey(session, self._manifest.object("identity").id)
        Opaque.put_certificate(
            session,
            certificate.id,
            certificate.name,
            certificate.domains,
            known(certificate.capabilities, self._inventory.firmware),
            key.attest(_ATTESTING_KEY),
        )
        return COMMAND.SIGN_ATTESTATION_CERTIFICATE

    def _delete_factory_key(self, session: AuthSession, _name: str) -> COMMAND:
        AuthenticationKey(session, FACTORY_KEY).delete()
        return COMMAND.DELETE_OBJECT

    _acts: Mapping[Act, Callable[["Doer", AuthSession, str], COMMAND]] = {
        Act.AUDIT: _audit,
        Act.PUT_ROLE: _put_role,
        Act.GENERATE: _generate,
        Act.ATTEST: _attest,
        Act.FORCE_AUDIT: _force_audit,
        Act.DELETE_FACTORY_KEY: _delete_factory_key,
    }


def known(capabilities: CAPABILITY, firmware: Version) -> CAPABILITY:
    """Return those that the firmware knows: older devices refuse the others."""
    return CAPABILITY(capabilities & words.known_to(firmware))


def generate(session: AuthSession, one: DeviceObject, firmware: Version) -> COMMAND:
    """Let the device make a key of a manifest, at its place."""
    capabilities = known(one.capabilities, firmware)
    if one.type is OBJECT.ASYMMETRIC_KEY:
        AsymmetricKey.generate(session, one.id, one.name, one.domains, capabilities, one.algorithm)
        return COMMAND.GENERATE_ASYMMETRIC_KEY
    if one.type is OBJECT.WRAP_KEY:
        delegated = known(one.delegated, firmware)
        WrapKey.generate(
            session, one.id, one.name, one.domains, capabilities, one.algorithm, delegated
        )
        return COMMAND.GENERATE_WRAP_KEY
    nonce_id = nonce_id_for_generate(one.nonce_id or 0)
    OtpAeadKey.generate(
        session, one.id, one.name, one.domains, capabilities, one.algorithm, nonce_id
    )
    return COMMAND.GENERATE_OTP_AEAD_KEY


def nonce_id_for_generate(nonce_id: int) -> int:
    """Return what the library's `generate` is to be given, so that the device stores this nonce id.

    The device keeps it little-endian. The library writes it so when it puts a key, and the other
    way round when it lets one be generated.
    """
    return int.from_bytes(nonce_id.to_bytes(4, "little"), "big")
