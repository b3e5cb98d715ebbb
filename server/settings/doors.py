"""Where the service listens, with which certificates, and what a connection may cost."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from server.address import Address
from server.settings.kinds import Section, absolute_path, address_text, optional_address
from server.tlsfiles import TlsFiles


class Listen(Section):
    """The doors: for clients, for the operator's monitoring and, when wanted, for operators."""

    verify: Annotated[
        str,
        AfterValidator(address_text),
        Field(description="where clients validate", examples=["127.0.0.1:8080"]),
    ] = "127.0.0.1:8080"
    ops: Annotated[
        str,
        AfterValidator(address_text),
        Field(
            description="where /metrics, /healthz and /readyz are served",
            examples=["127.0.0.1:8081"],
        ),
    ] = "127.0.0.1:8081"
    admin: Annotated[
        str | None,
        AfterValidator(optional_address),
        Field(
            description="where operators administer over HTTPS, with tokens; not without this line",
            examples=["127.0.0.1:8443"],
        ),
    ] = None

    fleet: Annotated[
        str | None,
        AfterValidator(optional_address),
        Field(
            description="where endpoint agents enrol and report; not without this line",
            examples=["127.0.0.1:8082"],
        ),
    ] = None

    @property
    def verify_address(self) -> Address:
        """The verification door's address, parsed."""
        return Address.parse(self.verify)

    @property
    def ops_address(self) -> Address:
        """The operations door's address, parsed."""
        return Address.parse(self.ops)

    @property
    def admin_address(self) -> Address | None:
        """The admin door's address, parsed; None: there is no such door."""
        return None if self.admin is None else Address.parse(self.admin)

    @property
    def fleet_address(self) -> Address | None:
        """The address for agents, parsed; None: there is no such door."""
        return None if self.fleet is None else Address.parse(self.fleet)


class Tls(Section):
    """TLS on the verification door: without these files it speaks plain HTTP."""

    certificate: Annotated[
        str | None,
        AfterValidator(absolute_path),
        Field(
            description="a PEM file: the certificate of the verification door, then its chain",
            examples=["/etc/keystead/tls/fullchain.pem"],
        ),
    ] = None
    key: Annotated[
        str | None,
        AfterValidator(absolute_path),
        Field(
            description="a PEM file: the certificate's private key, which only its owner can read",
            examples=["/etc/keystead/tls/privkey.pem"],
        ),
    ] = None
    client_ca: Annotated[
        str | None,
        AfterValidator(absolute_path),
        Field(
            description="a PEM file: authorities; clients must show a certificate of theirs",
            examples=["/etc/keystead/tls/clients.pem"],
        ),
    ] = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate and its key belong together: name both files, or none")
        if self.client_ca is not None and self.certificate is None:
            raise ValueError("client_ca needs certificate and key beside it")
        return self

    @property
    def files(self) -> TlsFiles | None:
        """The files, None for plain HTTP."""
        if self.certificate is None or self.key is None:
            return None
        authorities = None if self.client_ca is None else Path(self.client_ca)
        return TlsFiles(Path(self.certificate), Path(self.key), authorities)


class Admin(Section):
    """The admin door over HTTPS (listen.admin)."""

    certificate: Annotated[
        str | None,
        AfterValidator(absolute_path),
        Field(
            description="a PEM file: the admin door's certificate and chain; that of `tls` without",
            examples=["/etc/keystead/tls/admin-fullchain.pem"],
        ),
    ] = None
    key: Annotated[
        str | None,
        AfterValidator(absolute_path),
        Field(
            description="a PEM file: that certificate's private key",
            examples=["/etc/keystead/tls/admin-privkey.pem"],
        ),
    ] = None
    wrong_tokens: Annotated[
        int,
        Field(ge=1, le=1000, description="wrong tokens from one address at once", examples=[10]),
    ] = 10
    lockout_seconds: Annotated[
        float,
        Field(
            ge=1,
            le=86_400,
            description="an address with more wrong tokens than that is refused",
            examples=[900.0],
        ),
    ] = 900.0

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate and its key belong together: name both files, or none")
        return self


class Http(Section):
    """Deadlines and caps on what strangers send."""

    handshake_seconds: Annotated[
        float, Field(gt=0, le=60, description="to finish a TLS handshake", examples=[5.0])
    ] = 5.0
    header_seconds: Annotated[
        float, Field(gt=0, le=60, description="to send a request's head", examples=[5.0])
    ] = 5.0
    body_seconds: Annotated[
        float, Field(gt=0, le=60, description="to send a form body", examples=[5.0])
    ] = 5.0
    idle_seconds: Annotated[
        float, Field(gt=0, le=600, description="an idle connection stays open", examples=[30.0])
    ] = 30.0
    write_seconds: Annotated[
        float, Field(gt=0, le=60, description="to take an answer", examples=[10.0])
    ] = 10.0
    connections: Annotated[
        int,
        Field(
            ge=1,
            le=1_000_000,
            description="connections a worker holds before it turns new ones away",
            examples=[4096],
        ),
    ] = 4096
    drain_seconds: Annotated[
        float,
        Field(ge=0, le=300, description="accepted requests may finish at a stop", examples=[10.0]),
    ] = 10.0
