"""What endpoint agents are asked to report."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from server.settings.kinds import Section, as_tuple


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
    attestation_keys: Annotated[
        tuple[Annotated[str, Field(pattern="^[0-9a-f]{64}$")], ...],
        BeforeValidator(as_tuple),
        Field(
            description="who may sign newer attestation roots: Ed25519 keys, hexadecimal",
            examples=[[]],
        ),
    ] = ()
    claims: Annotated[
        bool,
        Field(
            description="take from hosts' users who holds a key, as a claim that waits for an"
            " operator",
            examples=[False],
        ),
    ] = False

    @property
    def trusted_attestation_keys(self) -> tuple[bytes, ...]:
        """The keys themselves, 32 octets each."""
        return tuple(map(bytes.fromhex, self.attestation_keys))
