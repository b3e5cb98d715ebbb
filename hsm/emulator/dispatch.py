"""Which function does which command, what a session needs for it, and since which firmware."""

from collections.abc import Callable
from typing import NamedTuple

from hsm.emulator.commands import (
    attestation,
    authentication,
    general,
    inventory,
    keys,
    logging_options,
    otp,
    rsa_wrapping,
    signing,
    ssh,
    symmetric,
    wrapping,
)
from hsm.emulator.objects.call import Call
from hsm.emulator.wire.capability import Capability as Cap
from hsm.emulator.wire.command import Command as Cmd
from hsm.emulator.wire.firmware import (
    ASYMMETRIC_AUTHENTICATION,
    FIRST,
    RSA_WRAP,
    SYMMETRIC_KEYS,
    Firmware,
)

NOTHING = Cap(0)


class Entry(NamedTuple):
    """How a command is done. capability: what the session's key needs, before anything is read."""

    do: Callable[[Call], bytes]
    capability: Cap = NOTHING
    since: Firmware = FIRST


_ANYWHERE = {
    Cmd.ECHO: Entry(general.echo),
    Cmd.DEVICE_INFO: Entry(general.device_info),
    Cmd.GET_DEVICE_PUBLIC_KEY: Entry(general.device_public_key, since=ASYMMETRIC_AUTHENTICATION),
}
_GENERAL = {
    Cmd.CLOSE_SESSION: Entry(general.close_session),
    Cmd.BLINK_DEVICE: Entry(general.blink),
    Cmd.RESET_DEVICE: Entry(general.reset_device, Cap.RESET_DEVICE),
    Cmd.GET_STORAGE_INFO: Entry(general.storage_info),
    Cmd.GET_PSEUDO_RANDOM: Entry(general.pseudo_random, Cap.GET_PSEUDO_RANDOM),
    Cmd.GET_LOG_ENTRIES: Entry(logging_options.log_entries, Cap.GET_LOG_ENTRIES),
    Cmd.SET_LOG_INDEX: Entry(logging_options.set_log_index, Cap.GET_LOG_ENTRIES),
    Cmd.GET_OPTION: Entry(logging_options.get_option, Cap.GET_OPTION),
    Cmd.SET_OPTION: Entry(logging_options.set_option, Cap.SET_OPTION),
}
_OBJECTS = {
    Cmd.LIST_OBJECTS: Entry(inventory.list_objects),
    Cmd.GET_OBJECT_INFO: Entry(inventory.object_info),
    Cmd.DELETE_OBJECT: Entry(inventory.delete_object),
    Cmd.GET_PUBLIC_KEY: Entry(inventory.get_public_key),
    Cmd.PUT_OPAQUE: Entry(inventory.put_opaque, Cap.PUT_OPAQUE),
    Cmd.GET_OPAQUE: Entry(inventory.get_opaque, Cap.GET_OPAQUE),
    Cmd.PUT_TEMPLATE: Entry(inventory.put_template, Cap.PUT_TEMPLATE),
    Cmd.GET_TEMPLATE: Entry(inventory.get_template, Cap.GET_TEMPLATE),
}
_KEYS = {
    Cmd.PUT_AUTHENTICATION_KEY: Entry(keys.put_authentication_key, Cap.PUT_AUTHENTICATION_KEY),
    Cmd.CHANGE_AUTHENTICATION_KEY: Entry(
        keys.change_authentication_key, Cap.CHANGE_AUTHENTICATION_KEY
    ),
    Cmd.PUT_ASYMMETRIC_KEY: Entry(keys.put_asymmetric_key, Cap.PUT_ASYMMETRIC_KEY),
    Cmd.GENERATE_ASYMMETRIC_KEY: Entry(keys.generate_asymmetric_key, Cap.GENERATE_ASYMMETRIC_KEY),
    Cmd.PUT_HMAC_KEY: Entry(keys.put_hmac_key, Cap.PUT_HMAC_KEY),
    Cmd.GENERATE_HMAC_KEY: Entry(keys.generate_hmac_key, Cap.GENERATE_HMAC_KEY),
    Cmd.PUT_WRAP_KEY: Entry(keys.put_wrap_key, Cap.PUT_WRAP_KEY),
    Cmd.GENERATE_WRAP_KEY: Entry(keys.generate_wrap_key, Cap.GENERATE_WRAP_KEY),
    Cmd.PUT_PUBLIC_WRAP_KEY: Entry(keys.put_public_wrap_key, Cap.PUT_PUBLIC_WRAP_KEY, RSA_WRAP),
    Cmd.PUT_OTP_AEAD_KEY: Entry(keys.put_otp_aead_key, Cap.PUT_OTP_AEAD_KEY),
    Cmd.GENERATE_OTP_AEAD_KEY: Entry(keys.generate_otp_aead_key, Cap.GENERATE_OTP_AEAD_KEY),
    Cmd.PUT_SYMMETRIC_KEY: Entry(keys.put_symmetric_key, Cap.PUT_SYMMETRIC_KEY, SYMMETRIC_KEYS),
    Cmd.GENERATE_SYMMETRIC_KEY: Entry(
        keys.generate_symmetric_key, Cap.GENERATE_SYMMETRIC_KEY, SYMMETRIC_KEYS
    ),
}
# What uses a key: the command judges session and key together.
_USES = {
    Cmd.SIGN_PKCS1: Entry(signing.sign_pkcs1, Cap.SIGN_PKCS),
    Cmd.SIGN_PSS: Entry(signing.sign_pss, Cap.SIGN_PSS),
    Cmd.SIGN_ECDSA: Entry(signing.sign_ecdsa, Cap.SIGN_ECDSA),
    Cmd.SIGN_EDDSA: Entry(signing.sign_eddsa, Cap.SIGN_EDDSA),
    Cmd.DECRYPT_PKCS1: Entry(signing.decrypt_pkcs1, Cap.DECRYPT_PKCS),
    Cmd.DECRYPT_OAEP: Entry(signing.decrypt_oaep, Cap.DECRYPT_OAEP),
    Cmd.DERIVE_ECDH: Entry(signing.derive_ecdh, Cap.DERIVE_ECDH),
    Cmd.SIGN_HMAC: Entry(symmetric.sign_hmac, Cap.SIGN_HMAC),
    Cmd.VERIFY_HMAC: Entry(symmetric.verify_hmac, Cap.VERIFY_HMAC),
    Cmd.ENCRYPT_ECB: Entry(symmetric.encrypt_ecb, Cap.ENCRYPT_ECB, SYMMETRIC_KEYS),
    Cmd.DECRYPT_ECB: Entry(symmetric.decrypt_ecb, Cap.DECRYPT_ECB, SYMMETRIC_KEYS),
    Cmd.ENCRYPT_CBC: Entry(symmetric.encrypt_cbc, Cap.ENCRYPT_CBC, SYMMETRIC_KEYS),
    Cmd.DECRYPT_CBC: Entry(symmetric.decrypt_cbc, Cap.DECRYPT_CBC, SYMMETRIC_KEYS),
    Cmd.DECRYPT_OTP: Entry(otp.decrypt_otp, Cap.DECRYPT_OTP),
    Cmd.CREATE_OTP_AEAD: Entry(otp.create_otp_aead, Cap.CREATE_OTP_AEAD),
    Cmd.RANDOMIZE_OTP_AEAD: Entry(otp.randomize_otp_aead, Cap.RANDOMIZE_OTP_AEAD),
    Cmd.REWRAP_OTP_AEAD: Entry(
        otp.rewrap_otp_aead, Cap.REWRAP_FROM_OTP_AEAD_KEY | Cap.REWRAP_TO_OTP_AEAD_KEY
    ),
    Cmd.WRAP_DATA: Entry(wrapping.wrap_data, Cap.WRAP_DATA),
    Cmd.UNWRAP_DATA: Entry(wrapping.unwrap_data, Cap.UNWRAP_DATA),
    Cmd.EXPORT_WRAPPED: Entry(wrapping.export_wrapped, Cap.EXPORT_WRAPPED),
    Cmd.IMPORT_WRAPPED: Entry(wrapping.import_wrapped, Cap.IMPORT_WRAPPED),
    Cmd.EXPORT_WRAPPED_RSA: Entry(rsa_wrapping.export_wrapped_rsa, Cap.EXPORT_WRAPPED, RSA_WRAP),
    Cmd.IMPORT_WRAPPED_RSA: Entry(rsa_wrapping.import_wrapped_rsa, Cap.IMPORT_WRAPPED, RSA_WRAP),
    Cmd.WRAP_KEY_RSA: Entry(rsa_wrapping.wrap_key_rsa, Cap.EXPORT_WRAPPED, RSA_WRAP),
    Cmd.UNWRAP_KEY_RSA: Entry(rsa_wrapping.unwrap_key_rsa, Cap.IMPORT_WRAPPED, RSA_WRAP),
    Cmd.SIGN_ATTESTATION_CERTIFICATE: Entry(
        attestation.sign_attestation_certificate, Cap.SIGN_ATTESTATION_CERTIFICATE
    ),
    Cmd.SIGN_SSH_CERTIFICATE: Entry(ssh.sign_ssh_certificate, Cap.SIGN_SSH_CERTIFICATE),
}

OUTSIDE = _ANYWHERE | {
    Cmd.CREATE_SESSION: Entry(authentication.create_session),
    Cmd.AUTHENTICATE_SESSION: Entry(authentication.authenticate_session),
}
"""What anybody may ask, outside of any session."""

WITHIN = _ANYWHERE | _GENERAL | _OBJECTS | _KEYS | _USES
"""What may be asked inside a session."""
