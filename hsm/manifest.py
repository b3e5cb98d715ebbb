"""The manifest: one reviewed TOML file that says what a device holds, who may do what on it.

`load` reads one and refuses whatever would make a device weaker than its file looks: an unknown
word, two things in one place, a service that may administrate, a key that could leave although it
must not. All of it is public: credentials follow from secrets kept elsewhere (`hsm.credentials`).
"""

import hashlib
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from yubihsm.defs import ALGORITHM, AUDIT, CAPABILITY, COMMAND, OBJECT, Version

from hsm import manifest_words as words
from hsm.vault import VaultError

FACTORY_KEY = 1
"""The authentication key with the known password, on every new device."""
_MAX_OCTETS = 1 << 18
_LAST_ID = 0xFFFE
_MAX_SUCCESSORS = 255


class ManifestError(VaultError):
    """The manifest cannot be used. `problems`: one sentence per fault, with its place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Place(NamedTuple):
    """Where an object is on a device: ids count for each type by itself."""

    type: OBJECT
    id: int

    def __str__(self) -> str:
        return f"{words.name_of(words.TYPES, self.type)} 0x{self.id:04x}"


def _domains(value: object) -> object:
    if not isinstance(value, list):
        return value  # the library's bits already
    mask = 0
    for number in value:
        if type(number) is not int or not 1 <= number <= words.DOMAINS:
            raise ValueError(f"{number!r} is no domain: they are numbered from 1 to 16")
        if mask & 1 << number - 1:
            raise ValueError(f"domain {number} is named twice")
        mask |= 1 << number - 1
    return mask


def _capabilities(value: object) -> object:
    if not isinstance(value, list):
        return value
    if value == ["all"]:
        return CAPABILITY.ALL
    if value in ([], ["none"]):
        return CAPABILITY.NONE
    found = CAPABILITY.NONE
    for word in value:
        one = words.look_up(words.CAPABILITIES, word, "capability")
        if found & one:
            raise ValueError(f"{word!r} is named twice")
        found |= one
    return found


def _commands(value: object) -> object:
    if not isinstance(value, list):
        return value
    found = [words.look_up(words.COMMANDS, word, "command") for word in value]
    if len(set(found)) != len(found):
        raise ValueError("a command is named twice")
    return frozenset(found)


def _firmware(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"\d{1,3}\.\d{1,3}\.\d{1,3}", value, re.ASCII):
        raise ValueError(f"{value!r} is no firmware version; write for example '2.4.1'")
    return tuple(map(int, value.split(".")))


def _one_of(choices: Any, what: str) -> BeforeValidator:  # noqa: ANN401 - an enum's words
    def read(value: object) -> object:
        return words.look_up(choices, value, what) if isinstance(value, str) else value

    return BeforeValidator(read)


_Id = Annotated[int, Field(ge=1, le=_LAST_ID)]
_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,29}$")]
_Domains = Annotated[int, Field(ge=1, le=words.ALL_DOMAINS), BeforeValidator(_domains)]
_Capabilities = Annotated[CAPABILITY, BeforeValidator(_capabilities)]


class _Table(BaseModel):
    """A table of the file: unknown keys are refused, values keep their type, nothing changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Options(_Table):
    """What the device logs. force_audit: stop rather than lose entries. audited: fixed on."""

    force_audit: Annotated[AUDIT, _one_of(words.AUDITS, "setting of force_audit")] = AUDIT.OFF
    audited: Annotated[frozenset[COMMAND], BeforeValidator(_commands)] = frozenset()

    @model_validator(mode="after")
    def _cannot_stop_by_itself(self) -> Self:
        if self.force_audit is AUDIT.OFF:
            return self
        if COMMAND.SESSION_MESSAGE in self.audited:
            # Every command travels in one: a full log could never be read again.
            raise ValueError(
                "session-message must not be audited under force_audit: older devices deadlock"
            )
        if COMMAND.DECRYPT_OTP in self.audited:
            raise ValueError(
                "decrypt-otp must not be audited under force_audit: 62 OTPs would fill the log"
                " and stop the device"
            )
        return self


class Role(_Table):
    """An authentication key. domains: the library's bits; held: whose secret makes its credential.

    delegated: the upper limit of what objects made or moved by it may do.
    """

    name: _Name
    id: _Id
    domains: _Domains
    capabilities: _Capabilities
    delegated: _Capabilities = CAPABILITY.NONE
    held: Literal["host", "ceremony"]

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(OBJECT.AUTHENTICATION_KEY, self.id)

    @model_validator(mode="after")
    def _is_no_backdoor(self) -> Self:
        if self.id == FACTORY_KEY:
            raise ValueError("id 1 is the factory's key, whose password everybody knows")
        if self.held == "host" and (self.delegated or self.capabilities & words.ADMINISTRATIVE):
            too_much = words.capability_names(self.capabilities & words.ADMINISTRATIVE)
            raise ValueError(
                "a role that the service holds must not change the device or let keys out:"
                f" {', '.join(too_much) or 'delegated'} belongs to one held by the ceremony"
            )
        return self


class DeviceObject(_Table):
    """A key or a certificate.

    nonce_id: of an OTP AEAD key, 32 bits. once: made for this device alone, never exported.
    successors: how many ids after its own are kept for those that take its place in rotations.
    """

    name: _Name
    type: Annotated[OBJECT, _one_of(words.TYPES, "type of object")]
    id: _Id
    algorithm: Annotated[ALGORITHM, _one_of(words.ALGORITHMS, "algorithm")]
    domains: _Domains
    capabilities: _Capabilities
    delegated: _Capabilities = CAPABILITY.NONE
    nonce_id: Annotated[int, Field(ge=0, le=0xFFFFFFFF)] | None = None
    once: bool = False
    successors: Annotated[int, Field(ge=0, le=_MAX_SUCCESSORS)] = 0

    @property
    def place(self) -> Place:
        """Where it is; its successors come after."""
        return Place(self.type, self.id)

    @property
    def places(self) -> list[Place]:
        """Where it is, and where its successors may be."""
        return [Place(self.type, self.id + later) for later in range(self.successors + 1)]

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.type not in words.MADE:
            known = ", ".join(sorted(words.name_of(words.TYPES, one) for one in words.MADE))
            raise ValueError(f"no ceremony makes objects of this type; known: {known}")
        if not words.allowed(self.type, self.algorithm):
            raise ValueError("the algorithm is not one of this type of object")
        if (self.nonce_id is None) == (self.type is OBJECT.OTP_AEAD_KEY):
            raise ValueError("an otp-aead-key has a nonce_id, and nothing else has one")
        if self.delegated and self.type is not OBJECT.WRAP_KEY:
            raise ValueError("only a wrap-key has delegated capabilities")
        if self.once and self.capabilities & CAPABILITY.EXPORTABLE_UNDER_WRAP:
            raise ValueError("what is made once must not be exportable-under-wrap")
        if self.id + self.successors > _LAST_ID:
            raise ValueError("there are not as many ids after its own")
        return self


class Manifest(_Table):
    """A device. firmware: the oldest that will do. digest: SHA-256 of the file's text, hex."""

    format: Literal[1]
    name: _Name
    firmware: Annotated[Version, BeforeValidator(_firmware)]
    options: Options
    roles: Annotated[tuple[Role, ...], Field(alias="role", strict=False)]
    objects: Annotated[tuple[DeviceObject, ...], Field(alias="object", strict=False)]
    digest: str = ""

    def role(self, name: str) -> Role:
        """Return a role by its name; KeyError."""
        return next((one for one in self.roles if one.name == name), None) or _missing(name)

    def object(self, name: str) -> DeviceObject:
        """Return an object by its name; KeyError."""
        return next((one for one in self.objects if one.name == name), None) or _missing(name)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        _refuse_doubles(self)
        _require_the_indispensable(self)
        return self


def _missing(name: str) -> Any:  # noqa: ANN401 - it never returns
    raise KeyError(name)


def _refuse_doubles(manifest: Manifest) -> None:
    names: set[tuple[type, str]] = set()
    places: set[Place] = set()
    everything: list[Role | DeviceObject] = [*manifest.roles, *manifest.objects]
    for one in everything:
        if (type(one), one.name) in names:
            raise ValueError(f'two of them are called "{one.name}"')
        names.add((type(one), one.name))
        for place in one.places if isinstance(one, DeviceObject) else (one.place,):
            if place in places:
                raise ValueError(f'"{one.name}" lies where another one lies: {place}')
            places.add(place)


def _require_the_indispensable(manifest: Manifest) -> None:
    """Refuse a device that nobody could look after, or that could not prove which one it is."""
    roles = {one.name: one for one in manifest.roles}
    objects = {one.name: one for one in manifest.objects}
    admin, auditor, identity = (roles.get(name) for name in ("admin", "auditor", "identity"))
    key, certificate = objects.get("identity"), objects.get("identity-certificate")
    everything = (words.ALL_DOMAINS, CAPABILITY.ALL, CAPABILITY.ALL, "ceremony")
    if admin is None or everything != (
        admin.domains,
        admin.capabilities,
        admin.delegated,
        admin.held,
    ):
        raise ValueError(
            'a role "admin" is wanted, held by the ceremony, with all capabilities, delegated too,'
            " in all domains: without it nobody could mend the device later"
        )
    reads = CAPABILITY.GET_LOG_ENTRIES | CAPABILITY.GET_OPTION
    if auditor is None or auditor.domains != words.ALL_DOMAINS or auditor.capabilities != reads:
        raise ValueError(
            'a role "auditor" is wanted in all domains, with exactly get-log-entries and'
            " get-option: with it the service checks the device at every start"
        )
    if (
        key is None
        or key.type is not OBJECT.ASYMMETRIC_KEY
        or key.algorithm not in words.ELLIPTIC
        or not key.once
        or key.capabilities != CAPABILITY.SIGN_ECDSA
    ):
        raise ValueError(
            'an object "identity" is wanted: an elliptic asymmetric-key made once that can'
            " sign-ecdsa and nothing else, with which the device proves which one it is"
        )
    if certificate is None or certificate.algorithm is not ALGORITHM.OPAQUE_X509_CERTIFICATE:
        raise ValueError(
            'an object "identity-certificate" is wanted: an opaque-x509-certificate, for the'
            " attestation of the identity key"
        )
    wanted = CAPABILITY.SIGN_ECDSA | CAPABILITY.GET_OPAQUE
    if (
        identity is None
        or identity.capabilities != wanted
        or not identity.domains & key.domains & certificate.domains
    ):
        raise ValueError(
            'a role "identity" is wanted with sign-ecdsa and get-opaque, in the domain of the'
            " identity key and its certificate"
        )


def load(path: Path) -> Manifest:
    """Read a manifest; ManifestError with every fault that was found."""
    try:
        with path.open("rb") as stream:
            octets = stream.read(_MAX_OCTETS + 1)
    except OSError as error:
        raise ManifestError([f"{path}: cannot be read: {error.strerror}"]) from error
    if len(octets) > _MAX_OCTETS:
        raise ManifestError([f"{path}: larger than a manifest can be (256 KiB)"])
    return parse(octets, str(path))


def packaged(name: str) -> Manifest:
    """Read a manifest that Keystead brings along: "validation" or "issuing"."""
    file = f"{name}.toml"
    return parse((resources.files("hsm") / "manifests" / file).read_bytes(), file)


def validation() -> Manifest:
    """Return the packaged manifest of a device that opens OTPs."""
    return packaged("validation")


def issuing() -> Manifest:
    """Return the packaged manifest of a device that signs certificates."""
    return packaged("issuing")


def parse(octets: bytes, name: str) -> Manifest:
    """Check the text of a manifest called `name`; ManifestError with every fault in it."""
    try:
        tables = tomllib.loads(octets.decode())
    except UnicodeDecodeError as error:
        line = octets[: error.start].count(b"\n") + 1
        raise ManifestError([f"{name}:{line}: not UTF-8 text. Save the file as UTF-8"]) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ManifestError([f"{name}: not TOML: {error}"]) from None
    if "digest" in tables:
        raise ManifestError([f"{name}: digest: it is computed, not written; remove the line"])
    try:
        manifest = Manifest.model_validate(tables)
    except ValidationError as error:
        raise ManifestError(
            [_problem(name, tables, one["loc"], one["type"], one["msg"]) for one in error.errors()]
        ) from None
    return manifest.model_copy(update={"digest": hashlib.sha256(octets).hexdigest()})


def _problem(
    name: str, tables: dict[str, Any], loc: tuple[int | str, ...], kind: str, message: str
) -> str:
    """Say where: `validation.toml: role "validator": capabilities: ...`."""
    where = [name]
    inner: Any = tables
    for part in loc:
        inner = _inner(inner, part)
        if isinstance(part, str):
            where.append(part)
        elif isinstance(inner, dict):
            name_there = inner.get("name")
            known = isinstance(name_there, str)
            where[-1] += f' "{name_there}"' if known else f" number {part + 1}"
    if kind == "extra_forbidden":
        said = "there is no such key; remove it or mend its spelling"
    elif kind == "missing":
        said = "is missing"
    else:
        said = message.removeprefix("Value error, ").removeprefix("Input ")
    return f"{': '.join(where)}: {said}"


def _inner(tables: Any, part: int | str) -> Any:  # noqa: ANN401 - any TOML there is
    try:
        return tables[part]
    except (KeyError, IndexError, TypeError):
        return None
