"""What endpoint agents are asked to report, and how long it is kept."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from server.settings.kinds import Section, absolute_path, as_tuple


def _public_key(text: str) -> str:
    if re.fullmatch("[0-9a-f]{64}", text) is None:
        raise ValueError(
            "a public key is written as 64 hexadecimal digits in lower case, as"
            " `keystead fleet advisories keygen` prints them"
        )
    return text


class Fleet(Section):
    """What endpoint agents are asked to report. Their door has the certificate of [tls]."""

    serial: Annotated[
        Literal["hash", "plain"],
        Field(
            description='how keys are named: "hash" (with a key that agents get) or "plain"',
            examples=["hash"],
        ),
    ] = "hash"
    attached: Annotated[
        bool,
        Field(
            description="also report whether a key is attached now: working hours are in that",
            examples=[False],
        ),
    ] = False
    certificate_names: Annotated[
        bool,
        Field(
            description="report subject, issuer and serial number of PIV certificates",
            examples=[False],
        ),
    ] = False
    openpgp_fingerprints: Annotated[
        bool, Field(description="report fingerprints of OpenPGP keys", examples=[False])
    ] = False
    interval_seconds: Annotated[
        int, Field(ge=60, le=86_400, description="agents report at least so often", examples=[3600])
    ] = 3600
    claims: Annotated[
        bool,
        Field(
            description="take from hosts' users who holds a key, as a claim that waits for an"
            " operator",
            examples=[False],
        ),
    ] = False
    proofs: Annotated[
        tuple[Literal["signed", "channel"], ...],
        BeforeValidator(as_tuple),
        Field(
            description='what keys prove of themselves: "signed" (slot 9E), "channel" (SCP11b)',
            examples=[["signed"]],
        ),
    ] = ()
    proof_interval_seconds: Annotated[
        int,
        Field(
            ge=60,
            le=30 * 86_400,
            description="between two proofs of a key that stays where it is: each holds it shortly",
            examples=[86_400],
        ),
    ] = 86_400
    attestation_keys: Annotated[
        tuple[Annotated[str, Field(pattern="^[0-9a-f]{64}$")], ...],
        BeforeValidator(as_tuple),
        Field(
            description="who may sign newer attestation roots: Ed25519 keys, hexadecimal",
            examples=[[]],
        ),
    ] = ()
    advisory_keys: Annotated[
        tuple[Annotated[str, AfterValidator(_public_key)], ...],
        BeforeValidator(as_tuple),
        Field(
            description="public keys (64 hexadecimal digits each) of whoever signs files of"
            " advisories that are loaded",
            examples=[["9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"]],
        ),
    ] = ()
    health_rules: Annotated[
        str | None,
        AfterValidator(absolute_path),
        Field(
            description="a TOML or JSON file: your own rules of health, and changes to those that"
            " ship",
            examples=["/etc/keystead/health.toml"],
        ),
    ] = None

    @property
    def trusted_attestation_keys(self) -> tuple[bytes, ...]:
        """The keys themselves, 32 octets each."""
        return tuple(map(bytes.fromhex, self.attestation_keys))

    keys_days: Annotated[
        int,
        Field(
            ge=180,
            le=36_500,
            description="a key that no host saw for so long is forgotten",
            examples=[730],
        ),
    ] = 730
    changes_days: Annotated[
        int,
        Field(
            ge=1,
            le=36_500,
            description="what changed at a key is kept so long",
            examples=[400],
        ),
    ] = 400
    tokens_days: Annotated[
        int,
        Field(
            ge=1,
            le=36_500,
            description="a token is kept so long after its end, used or not",
            examples=[30],
        ),
    ] = 30
    silent_days: Annotated[
        int,
        Field(
            ge=1,
            le=36_500,
            description="a host that did not report for so long is marked silent",
            examples=[30],
        ),
    ] = 30
    hosts_days: Annotated[
        int | None,
        Field(
            ge=30,
            le=36_500,
            description="a silent host, or one that was replaced, is erased when it was not heard"
            " of for so long; never without this line",
            examples=[400],
        ),
    ] = None

    @model_validator(mode="after")
    def _silent_before_erased(self) -> Self:
        if self.hosts_days is not None and self.hosts_days < self.silent_days:
            raise ValueError(
                "hosts_days must not be less than silent_days: a host is marked silent before it is"
                " erased"
            )
        return self
