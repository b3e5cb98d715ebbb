"""Profiles: what certificates of one kind say, as a TOML file that a person can review.

A profile that is not understood is refused whole: an unknown word in it may be a limit that
would not be kept.
"""

import tomllib
from importlib import resources
from typing import Annotated, Literal, NoReturn, Self

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hsm.provisioning.certificates.errors import IssuingError
from hsm.provisioning.certificates.names import Names

_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)
_PURPOSES = {
    "client-auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "server-auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "email-protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "smartcard-logon": ExtendedKeyUsageOID.SMARTCARD_LOGON,
}

_Key = Literal["p256", "p384", "ed25519", "rsa2048", "rsa3072", "rsa4096"]
_Usage = Literal[
    "digital-signature",
    "content-commitment",
    "key-encipherment",
    "data-encipherment",
    "key-agreement",
    "key-cert-sign",
    "crl-sign",
]
_Purpose = Literal["client-auth", "server-auth", "email-protection", "smartcard-logon"]
_Attribute = Literal[
    "common-name",
    "organization",
    "organizational-unit",
    "serial-number",
    "country",
    "email",
    "user-id",
]
_Alternative = Literal["dns", "email", "uri", "ip"]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SubjectRules(_Table):
    """Which attributes a subject must have, and which it may have besides."""

    required: Annotated[tuple[_Attribute, ...], Field(strict=False)] = ()
    allowed: Annotated[tuple[_Attribute, ...], Field(strict=False)] = ()


class AlternativeRules(_Table):
    """Which alternative names there may be; required: at least one.

    dns_within: DNS names and the domains of e-mail addresses lie in one of these; empty: anywhere.
    """

    required: bool = False
    allowed: Annotated[tuple[_Alternative, ...], Field(strict=False)] = ()
    dns_within: Annotated[tuple[str, ...], Field(strict=False)] = ()


class Profile(_Table):
    """What certificates of a kind say. path_length: CAs below a CA's own; None: no CA at all."""

    format: Literal[1]
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    validity_days: Annotated[int, Field(ge=1, le=36525)]
    backdate_minutes: Annotated[int, Field(ge=0, le=1440)] = 0
    path_length: Annotated[int, Field(ge=0, le=4)] | None = None
    keys: Annotated[tuple[_Key, ...], Field(strict=False, min_length=1)]
    key_usage: Annotated[tuple[_Usage, ...], Field(strict=False, min_length=1)]
    extended_key_usage: Annotated[tuple[_Purpose, ...], Field(strict=False)] = ()
    subject: SubjectRules = SubjectRules()
    alternative_names: AlternativeRules = AlternativeRules()

    @property
    def is_ca(self) -> bool:
        """Whether its certificates sign others."""
        return self.path_length is not None

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        signs = {"key-cert-sign", "crl-sign"} & set(self.key_usage)
        if self.is_ca and "key-cert-sign" not in signs:
            raise ValueError("a CA (path_length) needs key-cert-sign in key_usage")
        if not self.is_ca and signs:
            raise ValueError(f"without path_length it is no CA, and must not {', '.join(signs)}")
        if not self.is_ca and not self.extended_key_usage:
            raise ValueError("say what it is for (extended_key_usage): without it, for anything")
        if not (self.subject.required or self.alternative_names.required):
            raise ValueError("a certificate names somebody: require an attribute or a name")
        return self

    def key_usage_extension(self) -> x509.KeyUsage:
        """Return the extension."""
        said = {usage.replace("-", "_") for usage in self.key_usage}
        flags = {usage: usage in said for usage in _USAGES}
        return x509.KeyUsage(**flags, encipher_only=False, decipher_only=False)

    def purposes(self) -> list[x509.ObjectIdentifier]:
        """Return what it is for."""
        return [_PURPOSES[purpose] for purpose in self.extended_key_usage]

    def fault_of(self, names: Names) -> str:
        """Say what is wrong with a subject, "" when nothing is."""
        return self._fault_of_attributes(names) or self._fault_of_alternatives(names)

    def _fault_of_attributes(self, names: Names) -> str:
        kinds = [kind for kind, _ in names.attributes]
        allowed = {*self.subject.required, *self.subject.allowed}
        if missing := [one for one in self.subject.required if one not in kinds]:
            return f"the profile {self.name} wants {', '.join(missing)} in the subject"
        if unknown := [one for one in kinds if one not in allowed]:
            return f"the profile {self.name} allows no {', '.join(unknown)} in the subject"
        if len(set(kinds)) != len(kinds):
            return "an attribute stands twice in the subject"
        if not all(text.strip() and text.isprintable() for _, text in names.attributes):
            return "an attribute of the subject is empty or cannot be shown"
        return ""

    def _fault_of_alternatives(self, names: Names) -> str:
        rules = self.alternative_names
        if rules.required and not names.alternatives:
            return f"the profile {self.name} wants an alternative name"
        for kind, text in names.alternatives:
            if kind not in rules.allowed:
                return f"the profile {self.name} allows no alternative name of the kind {kind}"
            domain = text.rpartition("@")[2] if kind == "email" else text
            if kind in {"dns", "email"} and not self._is_within(domain):
                return f"the profile {self.name} allows no names in {domain}"
        return ""

    def _is_within(self, domain: str) -> bool:
        within = self.alternative_names.dns_within
        plain = domain.lower().rstrip(".").removeprefix("*.")
        return not within or any(plain == one or plain.endswith(f".{one}") for one in within)


def parse_profile(text: str, name: str) -> Profile:
    """Read a profile's TOML; IssuingError says what is wrong with it. name: of its file."""
    try:
        return Profile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise IssuingError(f"{name} is no TOML: {error}") from None
    except ValidationError as error:
        _refuse(name, error)


def packaged_profile(name: str) -> Profile:
    """Return a profile that Keystead brings along: "root-ca", "tls-client" or "tls-server"."""
    file = f"{name}.toml"
    return parse_profile(
        (resources.files("hsm.provisioning") / "profiles" / file).read_text("utf-8"), file
    )


def _refuse(name: str, error: ValidationError) -> NoReturn:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the whole"
    raise IssuingError(f"{name}: {where}: {first['msg'].removeprefix('Value error, ')}") from None
