"""What may be said to a key to have it prove something: lists of their own, made for one proof.

Signing is no reading. So nothing here is on the list of `agent.whitelist`, which stays as it is,
and each list is made for one challenge and one transaction: slot 9E is asked for one signature,
over one digest, which the agent made itself of the server that it is enrolled with.
"""

from collections.abc import Callable

from agent.apdu import MANAGEMENT, PIV, command, get_response, select
from agent.proof_wire import Challenge
from agent.tlv import write_tlv
from agent.whitelist import ForbiddenCommandError, read_config

SLOT = 0x9E
"""Card authentication: the one slot that is meant to be used without its holder."""

_ECCP256 = 0x11
_F9_CERTIFICATE = 0x5FFF01
_ATTEST, _GENERAL_AUTHENTICATE = 0xF9, 0x87
_TEMPLATE, _CHALLENGE, _RESPONSE = 0x7C, 0x81, 0x82


def attest() -> bytes:
    """Return PIV's ATTEST of slot 9E, Yubico's own: it certifies, and changes nothing."""
    return command(0x00, _ATTEST, SLOT, 0x00)


def f9_certificate() -> bytes:
    """Return PIV's GET DATA for the certificate of the key that attests."""
    return command(0x00, 0xCB, 0x3F, 0xFF, write_tlv(0x5C, _F9_CERTIFICATE.to_bytes(3, "big")))


def sign(challenge: Challenge) -> bytes:
    """Return GENERAL AUTHENTICATE that has slot 9E sign a challenge (SP 800-73-4, 3.2.4)."""
    asked = write_tlv(_RESPONSE, b"") + write_tlv(_CHALLENGE, challenge.digest())
    return command(0x00, _GENERAL_AUTHENTICATE, _ECCP256, SLOT, write_tlv(_TEMPLATE, asked))


def for_signing(challenge: Challenge) -> Callable[[bytes], bytes]:
    """Return what permits the commands of one proof by slot 9E, whole, and one signature of it."""
    signing = sign(challenge)
    allowed = {
        *map(select, (MANAGEMENT, PIV)),
        read_config(0),
        attest(),
        f9_certificate(),
        *map(get_response, range(256)),
    }
    signatures = [signing]

    def permit(octets: bytes) -> bytes:
        if octets == signing and signatures:
            return signatures.pop()
        if octets not in allowed:
            raise ForbiddenCommandError(f"proof: {octets[:4].hex()}, of {len(octets)} octets")
        return octets

    return permit
