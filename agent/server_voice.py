"""Asking the enrolled server about proofs, and nobody else: what it says is signed, or is nothing.

TLS tells that a machine has the server's name. The key that the host learned when it enrolled
tells that it is the same server: a proof is made for, and commands are relayed for, that one.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agent.http_client import Client, HttpAnswer
from agent.identity import Identity
from agent.proof_wire import FORMAT, MAX_PROOF_OCTETS, answer_input
from agent.report import HOST_HEADER, SIGNATURE_HEADER

_SCHEME = "ed25519="
_OK = 200

PATIENCE_S = 60.0
"""For an answer that nobody waits for with a key in the hand."""


class WrongServerError(Exception):
    """Nobody whom this host enrolled with answered. The message is for people."""


class RefusedError(Exception):
    """A problem answer, which needs no signature: nothing is done after it. status: HTTP's."""

    def __init__(self, answer: HttpAnswer) -> None:
        super().__init__(f"{answer.status} {answer.code} {answer.detail}".strip())
        self.status = answer.status
        self.code = answer.code


class ServerVoice:
    """One server, as one enrolled host hears it."""

    def __init__(self, identity: Identity, client: Client) -> None:
        self._identity = identity
        self._client = client

    @property
    def server_key(self) -> bytes:
        """The enrolled server's key, 32 octets. WrongServerError when none is known."""
        key = self._identity.policy.server_key
        if key is None:
            raise WrongServerError(
                "this host does not know its server's key: it enrolled before servers had one, and"
                " learns it with the next report that is accepted"
            )
        return key

    def ask(
        self,
        path: str,
        context: bytes,
        value: Mapping[str, Any],
        within_s: float = PATIENCE_S,
    ) -> Mapping[str, Any]:
        """Send a request as this host, and return what the enrolled server answers.

        UnreachableError, RefusedError, WrongServerError: nothing of the answer may be used.
        """
        server_key = self.server_key
        asked = {"format": FORMAT, "host": self._identity.host, **value}
        body = json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()
        if len(body) > MAX_PROOF_OCTETS:
            raise ValueError(f"a request of {len(body):,} octets")
        headers = {
            HOST_HEADER: self._identity.host,
            SIGNATURE_HEADER: self._identity.sign(context, body),
        }
        answer = self._client.post(path, body, headers, within_s)
        if answer.status != _OK:
            raise RefusedError(answer)
        check_answer(server_key, path, body, answer)
        return answer.value


def check_answer(server_key: bytes, path: str, request: bytes, answer: HttpAnswer) -> None:
    """Return when that server answered that request so; WrongServerError."""
    text = answer.signature.removeprefix(_SCHEME)
    try:
        signature = base64.b64decode(text, validate=True)
        told = answer_input(path, request, answer.status, answer.content)
        Ed25519PublicKey.from_public_bytes(server_key).verify(signature, told)
    except (InvalidSignature, binascii.Error, ValueError):
        raise WrongServerError(
            "the answer is not signed by the server that this host is enrolled with: nothing was"
            " proved to whoever gave it. If the server was set up anew, enrol this host anew"
        ) from None
