"""The Security Domain: which keys of secure channels there are, and the chain of SCP11b's.

To change anything a client has to prove itself, which SCP11b does not: so all of that is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.virtual_yubikey.apdu import Command, Refused, Response, Status
from tests.virtual_yubikey.identity import Capability, Identity, Transport
from tests.virtual_yubikey.manufacturer import NEW_LINE, Manufacturer, issue, name
from tests.virtual_yubikey.scp11 import SINCE, ChannelKey, KeyReference
from tests.virtual_yubikey.sd_attestation import told_about
from tests.virtual_yubikey.tlv import fields, tlv

SCP11B = KeyReference(0x13, 0x01)
_FIRST = (5, 3)
_GET_DATA = 0xCA
_CHANGES = (0xD8, 0xE2, 0xE4, 0xF1)  # PUT KEY, STORE DATA, DELETE, GENERATE KEY
_KEYS = 0x00E0
_RECOGNITION = 0x0066
_CHAIN = 0xBF21
_DEFAULT_VERSION = 0xFF  # of the keys that everybody knows
_AES_128 = bytes((0x88, 0x10))
_EC_P256 = bytes((0xF0, 0x00))


@dataclass
class SecurityDomainState:
    """What it keeps. version: of the SCP03 keys, 0xFF while they are the factory's."""

    version: int = _DEFAULT_VERSION
    private: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False
    )


class SecurityDomain:
    """The application of that name."""

    name = "security domain"
    aid = bytes.fromhex("A000000151000000")
    capability: Capability | None = None
    continues = 0xC0
    only: Transport | None = None

    def __init__(self, identity: Callable[[], Identity], manufacturer: Manufacturer) -> None:
        self.state = SecurityDomainState()
        self._identity = identity
        self._manufacturer = manufacturer

    def select(self) -> Response:
        """Answer with what GlobalPlatform calls a template; older firmware has no such thing."""
        if self._identity().firmware < _FIRST:
            raise Refused(Status.NOT_FOUND)
        return Response(tlv(0x6F, tlv(0x84, self.aid)))

    def leave(self) -> None:
        """Nobody is verified here."""

    def answer(self, command: Command) -> Response:
        """Tell; nothing is changed."""
        if command.ins in _CHANGES:
            raise Refused(Status.SECURITY)
        if command.ins != _GET_DATA:
            raise Refused(Status.NO_INSTRUCTION)
        if command.parameters == _KEYS:
            return Response(b"".join(tlv(0xC0, key) for key in self._keys()))
        if command.parameters == _RECOGNITION:
            return Response(tlv(0x66, tlv(0x73, tlv(0x06, bytes.fromhex("2A864886FC6B01")))))
        if command.parameters == _CHAIN:
            return Response(self._chain_of(fields(fields(command.data).get(0xA6, b""))))
        raise Refused(Status.NO_REFERENCE)

    def channel_key(self) -> ChannelKey | None:
        """Return the static key of SCP11b, where the firmware knows it."""
        if self._identity().firmware < SINCE:
            return None
        return ChannelKey(SCP11B, self.state.private)

    @cached_property
    def chain(self) -> list[x509.Certificate]:
        """What proves that key, its own certificate last; retail keys have it from 5.7.4 on.

        As a trace of a retail key shows it: the YubiKey's own authority, and the key's.
        """
        identity = self._identity()
        if identity.firmware < NEW_LINE:
            return []
        above = self._manufacturer.security_domain
        own = ec.generate_private_key(ec.SECP256R1())
        authority = issue(
            name("YubiKey SD Attestation B 1"),
            own.public_key(),
            above.certificate.subject,
            above.key,
            authority=True,
        )
        leaf = issue(
            name(f"YubiKey SD Attestation {SCP11B.kid:02x}:{SCP11B.kvn:02x}"),
            self.state.private.public_key(),
            authority.subject,
            own,
            told=list(told_about(identity)),
        )
        return [authority, leaf]

    def _keys(self) -> list[bytes]:
        """Return identifier, version, types and lengths of every key."""
        keys = [bytes((kid, self.state.version)) + _AES_128 for kid in (1, 2, 3)]
        key = self.channel_key()
        return keys if key is None else [*keys, bytes(key.reference) + _EC_P256]

    def _chain_of(self, asked: dict[int, bytes]) -> bytes:
        key = self.channel_key()
        if key is None or asked.get(0x83) != bytes(key.reference) or not self.chain:
            raise Refused(Status.NO_REFERENCE)
        der = serialization.Encoding.DER
        return b"".join(certificate.public_bytes(der) for certificate in self.chain)
