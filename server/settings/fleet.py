"""What endpoint agents are asked to report."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

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
