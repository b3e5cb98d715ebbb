"""Everything that may be said to a key: whole commands, octet by octet. Nothing else leaves.

All of them read. Those to a smart card application begin with SELECT, which under a shared
connection is a change that other programs see: `agent.probing` says how that is kept polite.
Whoever adds a command here answers for it on every firmware, with the key's PIN verified or not.
"""

from agent import apdu
from agent.apdu import command, get_response, select
from agent.tlv import write_tlv

MAX_PAGES = 8
"""Of READ CONFIG."""

PIV_CERTIFICATES = {
    0x9A: 0x5FC105,
    0x9C: 0x5FC10A,
    0x9D: 0x5FC10B,
    0x9E: 0x5FC101,
    **{0x82 + number: 0x5FC10D + number for number in range(20)},
}
"""Which object holds a slot's certificate (NIST SP 800-73-4)."""

PIN, PUK, MANAGEMENT_KEY, FINGERPRINTS = 0x80, 0x81, 0x9B, 0x96

SCP11B_KEY = 0x13
VERSIONS_OF_KEYS = range(1, 0x80)

CTAP_GET_INFO = b"\x04"
CTAP_PIN_TRIES = b"\x06\xa2\x01\x01\x02\x01"
CTAP_UV_TRIES = b"\x06\xa2\x01\x01\x02\x07"
"""authenticatorClientPIN {1: protocol 1, 2: getPINRetries | getUVRetries}."""

CTAPHID_CBOR = 0x10
CTAPHID_READ_CONFIG = 0x42


def read_config(page: int) -> bytes:
    """Return the management application's READ CONFIG."""
    return command(0x00, 0x1D, page, 0x00)


def piv_version() -> bytes:
    """Return PIV's GET VERSION."""
    return command(0x00, 0xFD, 0x00, 0x00)


def piv_metadata(reference: int) -> bytes:
    """Return PIV's GET METADATA of a slot, a PIN or the management key."""
    return command(0x00, 0xF7, 0x00, reference)


def piv_pin_tries() -> bytes:
    """Return VERIFY without a PIN: it asks for the tries left and costs none (SP 800-73-4)."""
    return command(0x00, 0x20, 0x00, PIN)


def piv_certificate(slot: int) -> bytes:
    """Return PIV's GET DATA for the certificate of a slot."""
    name = PIV_CERTIFICATES[slot].to_bytes(3, "big")
    return command(0x00, 0xCB, 0x3F, 0xFF, write_tlv(0x5C, name))


def openpgp_version() -> bytes:
    """Return OpenPGP's GET VERSION, of Yubico's own."""
    return command(0x00, 0xF1, 0x00, 0x00)


def openpgp_data(name: int) -> bytes:
    """Return OpenPGP's GET DATA: 6E all about the keys, C4 tries, D6-D9 touch policies."""
    return command(0x00, 0xCA, 0x00, name)


def domain_keys() -> bytes:
    """Return the security domain's GET DATA for its keys' numbers (GlobalPlatform)."""
    return command(0x00, 0xCA, 0x00, 0xE0)


def domain_chain(version: int) -> bytes:
    """Return the security domain's GET DATA for the certificates of an SCP11b key."""
    name = write_tlv(0xA6, write_tlv(0x83, bytes([SCP11B_KEY, version])))
    return command(0x00, 0xCA, 0xBF, 0x21, name)


def ctap(message: bytes) -> bytes:
    """Return a CTAP2 message as a command (CTAP 2.1, 11.3.5.2)."""
    return command(0x80, 0x10, 0x00, 0x00, message)


def _all() -> frozenset[bytes]:
    applications = (
        apdu.MANAGEMENT,
        apdu.OTP,
        apdu.OATH,
        apdu.PIV,
        apdu.OPENPGP,
        apdu.SECURITY_DOMAIN,
        apdu.FIDO,
    )
    references = (PIN, PUK, MANAGEMENT_KEY, FINGERPRINTS, *PIV_CERTIFICATES)
    return frozenset(
        [
            *map(select, applications),
            *map(read_config, range(MAX_PAGES)),
            piv_version(),
            piv_pin_tries(),
            *map(piv_metadata, references),
            *map(piv_certificate, PIV_CERTIFICATES),
            openpgp_version(),
            *map(openpgp_data, (0x6E, 0xC4, 0xD6, 0xD7, 0xD8, 0xD9)),
            domain_keys(),
            *map(domain_chain, VERSIONS_OF_KEYS),
            *map(ctap, (CTAP_GET_INFO, CTAP_PIN_TRIES, CTAP_UV_TRIES)),
            *map(get_response, range(256)),
        ]
    )


COMMANDS = _all()
"""To a smart card."""

MESSAGES = frozenset(
    [
        *((CTAPHID_CBOR, one) for one in (CTAP_GET_INFO, CTAP_PIN_TRIES, CTAP_UV_TRIES)),
        *((CTAPHID_READ_CONFIG, bytes([page])) for page in range(MAX_PAGES)),
    ]
)
"""To a FIDO device: the channel's command and what goes with it."""


class ForbiddenCommandError(Exception):
    """Something was to be sent that is not on the list: a fault in the agent, nothing to catch."""


def permit(octets: bytes) -> bytes:
    """Return a command that may be sent to a card. ForbiddenCommandError."""
    if octets not in COMMANDS:
        raise ForbiddenCommandError(f"{octets[:4].hex()}, of {len(octets)} octets")
    return octets


def permit_message(kind: int, message: bytes) -> bytes:
    """Return a message that may be sent to a FIDO device. ForbiddenCommandError."""
    if (kind, message) not in MESSAGES:
        raise ForbiddenCommandError(f"FIDO {kind:#x}, of {len(message)} octets")
    return message
