"""Enrolment: once, with a token that is for this host and nothing else."""

import base64
import json
from dataclasses import replace
from pathlib import Path

from agent.http_client import Client, HttpAnswer, UnreachableError
from agent.identity import Identity, load, save
from agent.policy import Policy
from agent.report import ENROLMENT_CONTEXT, SIGNATURE_HEADER
from agent.server_voice import WrongServerError, check_answer

ENROLMENTS = "/fleet/v1/enrolments"
PENDING = "enrolling.json"
_FORMAT = 1
_MAX_TOKEN = 1000


class EnrolmentError(Exception):
    """The host is not enrolled. The message is for people."""


def read_token(path: Path) -> str:
    """Read the token from its file. EnrolmentError."""
    try:
        text = path.read_bytes()[: _MAX_TOKEN + 2].decode("ascii").strip()
    except OSError as error:
        raise EnrolmentError(f"the token's file cannot be read: {error}") from None
    except UnicodeDecodeError:
        text = ""
    if not text or len(text) > _MAX_TOKEN or not text.isprintable():
        raise EnrolmentError(f"{path} holds no token. Ask your operator for a new one.")
    return text


def begin(directory: Path, server: str, name: str, ca_file: str) -> Identity:
    """Return the identity to enrol: one that got no answer the last time, or a new one.

    It is stored before the server hears of it, so that a lost answer loses nothing. An enrolment
    that stands goes on until the new one is agreed to. Raises IdentityError, OSError.
    """
    known = load(directory, PENDING)
    if known is not None and known.server == server and known.name == name:
        return replace(known, ca_file=ca_file)
    fresh = Identity.fresh(server, name, ca_file)
    save(directory, fresh, PENDING)
    return fresh


def enrol(
    directory: Path, identity: Identity, client: Client, token: str, *, system: str, agent: str
) -> Identity:
    """Ask the server, and store what it agrees to. EnrolmentError, OSError."""
    body = json.dumps(
        {
            "format": _FORMAT,
            "token": token,
            "host": identity.host,
            "name": identity.name,
            "public_key": base64.b64encode(identity.public_key).decode(),
            "system": system,
            "agent": agent,
        },
        sort_keys=True,
        separators=(",", ":"),
    ).encode()
    try:
        answer = client.post(
            ENROLMENTS, body, {SIGNATURE_HEADER: identity.sign(ENROLMENT_CONTEXT, body)}
        )
    except UnreachableError as error:
        raise EnrolmentError(
            f"{identity.server} did not answer: {error}. Nothing was changed; try again with the"
            " same token."
        ) from None
    agreed = identity.agreed(_policy(answer, identity, body))
    save(directory, agreed)
    (directory / PENDING).unlink(missing_ok=True)
    return agreed


def _policy(answer: HttpAnswer, identity: Identity, body: bytes) -> Policy:
    if answer.status not in (200, 201):
        raise EnrolmentError(
            f"the server refused ({answer.status} {answer.code}): "
            f"{answer.detail or 'no reason given'}"
        )
    if answer.value.get("host") != identity.host:
        raise EnrolmentError(
            f"what answered at {identity.server} is no Keystead with a fleet: check the URL"
        )
    policy = Policy().changed(answer.value.get("policy"))
    if policy.server_key is not None:
        try:
            check_answer(policy.server_key, ENROLMENTS, body, answer)
        except WrongServerError:
            raise EnrolmentError(
                f"what answered at {identity.server} has not signed with the key that it names as"
                " its own: somebody altered the answer. Nothing was changed"
            ) from None
    return policy
