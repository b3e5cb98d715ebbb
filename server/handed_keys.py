"""What the process with the HSM hands to those that open and seal beside it: from memory to memory.

It goes through a pair of sockets to workers and through a pipe to the reader of imports, never to
a disk, an argument or the environment.
"""

import json
from base64 import b64decode, b64encode
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from hsm.vault import RevealingVault

if TYPE_CHECKING:
    from hsm.strict_vault import StrictVault


class Role(NamedTuple):
    """With what a role logs in to the HSM: the id of its authentication key, and two keys."""

    id: int
    encryption: bytes
    mac: bytes

    def __repr__(self) -> str:
        return f"Role(0x{self.id:04x}, <hidden>)"


class Strict(NamedTuple):
    """How OTPs are opened inside HSMs.

    addresses: URLs; otp_key: id of the OTP AEAD key that seals; deadline_s: for one command;
    provisioner: who seals keys, None where nobody does.
    """

    addresses: tuple[str, ...]
    otp_key: int
    deadline_s: float
    validator: Role
    provisioner: Role | None = None


class HandedKeys(NamedTuple):
    """The keys of a process's vault. strict: None: everything opens in memory."""

    rings: Rings
    strict: Strict | None = None

    def encode(self) -> bytes:
        """Return octets that travel; `decode` is its inverse."""
        return json.dumps(
            {
                "rings": self.rings.encode().decode(),
                "strict": None if self.strict is None else _written(self.strict),
            }
        ).encode()

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read what `encode` wrote; ValueError."""
        try:
            value = json.loads(octets)
            strict = value["strict"]
            return cls(
                Rings.decode(value["rings"].encode()), None if strict is None else _read(strict)
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            raise ValueError("these are no keys that were handed over") from None

    async def open(self, stack: AsyncExitStack, *, opened: int) -> "OpenKeys":
        """Return a vault with these keys; `stack` ends its sessions with HSMs.

        opened: how many opened OTP keys it remembers.
        """
        sealed = SealedVault(self.rings, opened=opened)
        if self.strict is None:
            return OpenKeys(sealed)
        # Late: a worker in sealed mode is replaced faster without the HSM's library.
        from server.strict import open_strict  # noqa: PLC0415

        return OpenKeys(sealed, await open_strict(stack, sealed, self.rings, self.strict))


class OpenKeys:
    """A vault at work, and how it gets other keys."""

    def __init__(self, sealed: SealedVault, strict: "StrictVault | None" = None) -> None:
        self._sealed = sealed
        self._strict = strict

    @property
    def vault(self) -> RevealingVault:
        """The vault: the same object for good."""
        return self._sealed if self._strict is None else self._strict

    def take(self, rings: Rings) -> None:
        """Go on with other keys."""
        self._sealed.take(rings)
        if self._strict is not None:
            from server.strict import binder  # noqa: PLC0415 - as above

            self._strict.take(binder(rings))


_Json: TypeAlias = Any


def _written(strict: Strict) -> _Json:
    return {
        "addresses": strict.addresses,
        "otp_key": strict.otp_key,
        "deadline_s": strict.deadline_s,
        "validator": _written_role(strict.validator),
        "provisioner": None if strict.provisioner is None else _written_role(strict.provisioner),
    }


def _written_role(role: Role) -> _Json:
    return [role.id, b64encode(role.encryption).decode(), b64encode(role.mac).decode()]


def _read(value: _Json) -> Strict:
    provisioner = value["provisioner"]
    return Strict(
        tuple(map(str, value["addresses"])),
        int(value["otp_key"]),
        float(value["deadline_s"]),
        _read_role(value["validator"]),
        None if provisioner is None else _read_role(provisioner),
    )


def _read_role(value: _Json) -> Role:
    number, encryption, mac = value
    return Role(int(number), b64decode(encryption, validate=True), b64decode(mac, validate=True))
