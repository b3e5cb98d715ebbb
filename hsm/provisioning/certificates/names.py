"""What a certificate calls its subject: attributes and alternative names, as text and as ASN.1.

Names come from the order that a person approved. A request may repeat them; it decides nothing.
"""

import ipaddress
from collections.abc import Callable, Mapping
from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import NameOID

from hsm.provisioning.certificates.errors import RequestRefusedError

ATTRIBUTES: Mapping[str, x509.ObjectIdentifier] = {
    "common-name": NameOID.COMMON_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizational-unit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "serial-number": NameOID.SERIAL_NUMBER,
    "country": NameOID.COUNTRY_NAME,
    "email": NameOID.EMAIL_ADDRESS,
    "user-id": NameOID.USER_ID,
}

ALTERNATIVES: Mapping[str, Callable[[str], x509.GeneralName]] = {
    "dns": x509.DNSName,
    "email": x509.RFC822Name,
    "uri": x509.UniformResourceIdentifier,
    "ip": lambda text: x509.IPAddress(ipaddress.ip_address(text)),
}


class Names(NamedTuple):
    """A subject. Each is a sequence of (kind, text), in the order of the certificate."""

    attributes: tuple[tuple[str, str], ...] = ()
    alternatives: tuple[tuple[str, str], ...] = ()

    def subject(self) -> x509.Name:
        """Return the distinguished name; RequestRefusedError."""
        try:
            return x509.Name(
                [x509.NameAttribute(ATTRIBUTES[kind], text) for kind, text in self.attributes]
            )
        except (KeyError, ValueError) as error:
            raise RequestRefusedError(f"the subject cannot be written: {error}") from None

    def alternative_names(self) -> list[x509.GeneralName]:
        """Return the alternative names; RequestRefusedError."""
        try:
            return [ALTERNATIVES[kind](text) for kind, text in self.alternatives]
        except (KeyError, ValueError) as error:
            raise RequestRefusedError(f"an alternative name cannot be written: {error}") from None
