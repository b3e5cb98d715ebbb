"""Who the fleet's server is to its hosts: an Ed25519 key that signs what is answered about proofs.

A host learns the public half when it enrols, and proves to nobody else. One for the whole store,
made at first use, so that all machines on it are the same server, also after a restore: it is a
named value of the store, sealed by the vault as every other secret in there.
"""

import base64
import binascii
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.proof_wire import answer_input
from hsm.seals import seal_of
from hsm.vault import RecordRefusedError
from server.journal.acts import Cause, Deed, Subject

NAME = "fleet_server_identity"
"""What it is called among the store's values."""

_LABEL = "fleet server identity"
_TRIES = 16


class Values(Protocol):
    """Named values of a store."""

    async def meta(self, name: str) -> str | None:
        """Return a named value, or None."""
        ...

    async def settle_meta(self, name: str, proposed: str, deed: Deed | None = None) -> str:
        """Return the value that stands: the proposed one, stored now, when there was none."""
        ...

    async def swap_meta(self, name: str, before: str, after: str, deed: Deed) -> bool:
        """Put `after` in the place of `before`; False when another value stands there."""
        ...


class Sealer(Protocol):
    """What seals and opens (hsm.vault.Vault)."""

    async def seal_secret(self, label: str, secret: bytes) -> bytes:
        """Seal."""
        ...

    async def open_secret(self, label: str, record: bytes) -> bytes:
        """Open; RecordRefusedError."""
        ...


class ServerIdentity:
    """The private key, in memory."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._key = Ed25519PrivateKey.from_private_bytes(secret)

    @classmethod
    def generate(cls) -> "ServerIdentity":
        """Make a new one."""
        return cls(Ed25519PrivateKey.generate().private_bytes_raw())

    def __repr__(self) -> str:
        return f"ServerIdentity({self.public_key.hex()}, <hidden>)"

    @property
    def public_key(self) -> bytes:
        """The 32 octets that hosts keep."""
        return self._key.public_key().public_bytes_raw()

    def sign_answer(self, path: str, request: bytes, status: int, answer: bytes) -> str:
        """Return the signature header's value of an answer."""
        signature = self._key.sign(answer_input(path, request, status, answer))
        return f"ed25519={base64.b64encode(signature).decode()}"

    async def sealed(self, vault: Sealer) -> str:
        """Return the value to be stored. VaultError."""
        return base64.b64encode(await vault.seal_secret(_LABEL, self._secret)).decode()


async def open_identity(store: Values, vault: Sealer, *, cause: Cause) -> ServerIdentity:
    """Return the identity of this store, made now when there is none. Store errors, VaultError.

    One that the vault refuses to open is lost, and another takes its place: reports go on, and
    hosts that know the old one prove nothing more until they are enrolled anew.
    """
    for _ in range(_TRIES):
        stands = await store.meta(NAME)
        if stands is not None:
            try:
                return await _opened(stands, vault)
            except RecordRefusedError:
                before = stands
        else:
            before = None
        fresh = ServerIdentity.generate()
        sealed = await fresh.sealed(vault)
        deed = _deed(cause, "fleet-identity.make", fresh)
        if before is not None:
            await store.swap_meta(NAME, before, sealed, deed)
        else:
            await store.settle_meta(NAME, sealed, deed)
        # Of several machines that begin at once, one's stands: it is read again.
    raise RecordRefusedError("the fleet server's identity is written by others all the time")


async def is_made(store: Values) -> bool:
    """Tell whether this store ever had one."""
    return await store.meta(NAME) is not None


async def reseal(store: Values, vault: Sealer, identity: ServerIdentity, *, cause: Cause) -> bool:
    """Seal it under the key that seals now, if it is under another. Return whether it was.

    From memory: a key that was just destroyed opens nothing more.
    """
    stands = await store.meta(NAME)
    sealed = await identity.sealed(vault)
    if stands is None or seal_of(_octets(stands)) == seal_of(_octets(sealed)):
        return False
    return await store.swap_meta(
        NAME, stands, sealed, _deed(cause, "fleet-identity.reseal", identity)
    )


async def _opened(stands: str, vault: Sealer) -> ServerIdentity:
    secret = await vault.open_secret(_LABEL, _octets(stands))
    try:
        return ServerIdentity(secret)
    except ValueError:
        raise RecordRefusedError("the fleet server's identity is no Ed25519 key") from None


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RecordRefusedError("the fleet server's identity is damaged") from None


def _deed(cause: Cause, action: str, identity: ServerIdentity) -> Deed:
    after = {"public_key": identity.public_key.hex()}
    return Deed(cause.act(action), Subject("fleet-identity", ""), None, after)
