"""Who this host is to its server: a random id and an Ed25519 key, made here, for one enrolment."""

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.policy import Policy
from agent.private_file import private_directory, write_private
from agent.report import signature_input

FILE = "identity.json"
_FORMAT = 1


class IdentityError(Exception):
    """The file is there, and is none. The message is for people."""


@dataclass(frozen=True)
class Identity:
    """One enrolment. server: URL; ca_file: "" = the system's; enrolled: the server has agreed."""

    server: str
    host: str
    name: str
    ca_file: str
    enrolled: bool
    policy: Policy
    secret: bytes = field(repr=False)

    @classmethod
    def fresh(cls, server: str, name: str, ca_file: str) -> "Identity":
        """Return a new one, of which the server does not know yet."""
        return cls(
            server,
            secrets.token_hex(16),
            name,
            ca_file,
            enrolled=False,
            policy=Policy(),
            secret=Ed25519PrivateKey.generate().private_bytes_raw(),
        )

    @property
    def public_key(self) -> bytes:
        """The 32 octets that the server knows."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, context: bytes, body: bytes) -> str:
        """Return the signature header's value."""
        signature = self._key.sign(signature_input(context, body))
        return f"ed25519={base64.b64encode(signature).decode()}"

    @property
    def local_key(self) -> bytes:
        """A secret of this enrolment that never leaves this host."""
        return hmac.new(self.secret, b"keystead-local-names-v1", hashlib.sha256).digest()

    @property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.secret)

    def agreed(self, policy: Policy) -> "Identity":
        """Return it as enrolled, with a policy."""
        return replace(self, enrolled=True, policy=policy)


def save(directory: Path, identity: Identity, file: str = FILE) -> None:
    """Write the identity of this host. OSError."""
    value = {
        "format": _FORMAT,
        "server": identity.server,
        "host": identity.host,
        "name": identity.name,
        "ca_file": identity.ca_file,
        "enrolled": identity.enrolled,
        "policy": identity.policy.as_json(),
        "secret": base64.b64encode(identity.secret).decode(),
    }
    private_directory(directory)
    write_private(directory / file, json.dumps(value, indent=1).encode())


def load(directory: Path, file: str = FILE) -> Identity | None:
    """Return the identity of this host; None: it has none. IdentityError, OSError."""
    path = directory / file
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        value: dict[str, Any] = json.loads(content)
        if value["format"] != _FORMAT:
            raise IdentityError(
                f"{path} was written by another version of the agent. Install that one, or move"
                " the file away and enrol anew."
            )
        secret = base64.b64decode(value["secret"], validate=True)
        Ed25519PrivateKey.from_private_bytes(secret)
        return Identity(
            str(value["server"]),
            str(value["host"]),
            str(value["name"]),
            str(value["ca_file"]),
            value["enrolled"] is True,
            Policy().changed(value["policy"]),
            secret,
        )
    except (ValueError, KeyError, TypeError):
        raise IdentityError(
            f"{path} is damaged. Move it away and enrol this host anew: keystead-agent enroll"
        ) from None
