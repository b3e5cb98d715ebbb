"""What the organisation wants to know of its keys: sent to every agent (docs/agent.md)."""

import base64
from typing import Any, Literal, NamedTuple

SERIAL_KEY = "fleet_serial_key"
"""What it is called in the store. Every agent has it, so that it lies there in the clear."""

SERIAL_KEY_OCTETS = 32


class FleetPolicy(NamedTuple):
    """serial_key: what serial numbers are hashed with; each agent has it.

    server_key: the public half of the server's identity, 32 octets; proofs: which are wanted.
    """

    serial_key: bytes
    serial: Literal["hash", "plain"] = "hash"
    attached: bool = False
    certificate_names: bool = False
    openpgp_fingerprints: bool = False
    interval_s: int = 3600
    server_key: bytes | None = None
    proofs: tuple[str, ...] = ()
    proof_interval_s: int = 86_400

    def __repr__(self) -> str:
        return f"FleetPolicy(serial={self.serial!r})"

    def to_json(self) -> dict[str, Any]:
        """Return the policy as agents read it."""
        known: dict[str, Any] = {}
        if self.server_key is not None:
            known["server_key"] = base64.b64encode(self.server_key).decode()
        return known | {
            "serial": self.serial,
            "serial_key": base64.b64encode(self.serial_key).decode(),
            "attached": self.attached,
            "certificate_names": self.certificate_names,
            "openpgp_fingerprints": self.openpgp_fingerprints,
            "interval_seconds": self.interval_s,
            "proofs": list(self.proofs),
            "proof_interval_seconds": self.proof_interval_s,
        }
