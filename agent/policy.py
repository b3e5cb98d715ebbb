"""What an organisation wants to know, and the least where it did not say. Pure."""

import base64
import binascii
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from agent.proof_wire import PROOFS

_KEY_OCTETS = 32
_LEAST_INTERVAL_S, _INTERVAL_S, _MOST_INTERVAL_S = 60, 3600, 86_400
_PROOF_INTERVAL_S, _MOST_PROOF_INTERVAL_S = 86_400, 30 * 86_400


class Serials(StrEnum):
    """How keys are named."""

    HASH = "hash"
    PLAIN = "plain"


@dataclass(frozen=True)
class Policy:
    """The members of docs/agent.md. serial_key: None = no serial may leave, not even hashed.

    server_key: who the enrolled server is; once known it stays, whatever is said later: an agent
    proves to nobody else. proofs: words of `agent.proof_wire.PROOFS`.
    proof_interval_s: between two proofs of a key that stays where it is.
    """

    serial: Serials = Serials.HASH
    serial_key: bytes | None = field(default=None, repr=False)
    attached: bool = False
    certificate_names: bool = False
    openpgp_fingerprints: bool = False
    interval_s: int = _INTERVAL_S
    server_key: bytes | None = None
    proofs: tuple[str, ...] = ()
    proof_interval_s: int = _PROOF_INTERVAL_S

    def changed(self, found: object) -> "Policy":
        """Return this policy with what a server said. What makes no sense changes nothing."""
        said: dict[str, Any] = found if isinstance(found, dict) else {}
        return Policy(
            _serials(said.get("serial"), self.serial),
            _key(said.get("serial_key"), self.serial_key),
            _flag(said.get("attached"), self.attached),
            _flag(said.get("certificate_names"), self.certificate_names),
            _flag(said.get("openpgp_fingerprints"), self.openpgp_fingerprints),
            _interval(said.get("interval_seconds"), self.interval_s),
            self.server_key or _key(said.get("server_key"), None),
            _proofs(said.get("proofs"), self.proofs),
            _interval(
                said.get("proof_interval_seconds"), self.proof_interval_s, _MOST_PROOF_INTERVAL_S
            ),
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as a server says it."""
        key = {} if self.serial_key is None else {"serial_key": _text(self.serial_key)}
        if self.server_key is not None:
            key["server_key"] = _text(self.server_key)
        return {
            "serial": self.serial.value,
            "attached": self.attached,
            "certificate_names": self.certificate_names,
            "openpgp_fingerprints": self.openpgp_fingerprints,
            "interval_seconds": self.interval_s,
            "proofs": list(self.proofs),
            "proof_interval_seconds": self.proof_interval_s,
            **key,
        }


LOCAL = Policy(serial=Serials.PLAIN, attached=True)
"""For a report that stays at this machine, on its user's screen."""


def _serials(found: object, otherwise: Serials) -> Serials:
    return Serials(found) if found in [one.value for one in Serials] else otherwise


def _flag(found: object, otherwise: bool) -> bool:  # noqa: FBT001 - a value, no switch
    return found if isinstance(found, bool) else otherwise


def _interval(found: object, otherwise: int, most: int = _MOST_INTERVAL_S) -> int:
    if type(found) is not int:
        return otherwise
    return min(max(found, _LEAST_INTERVAL_S), most)


def _key(found: object, otherwise: bytes | None) -> bytes | None:
    if not isinstance(found, str):
        return otherwise
    try:
        key = base64.b64decode(found, validate=True)
    except (binascii.Error, ValueError):
        return otherwise
    return key if len(key) == _KEY_OCTETS else otherwise


def _proofs(found: object, otherwise: tuple[str, ...]) -> tuple[str, ...]:
    if not isinstance(found, list):
        return otherwise
    return tuple(word for word in PROOFS if word in found)


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
