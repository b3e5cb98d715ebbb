"""Whether a client may ask at all: known, active, signature. A pure decision."""

from typing import NamedTuple

from server.otp.client_cache import OpenClient
from validation.request import VerifyRequest
from validation.signature import EMPTY_KEY, ApiKey
from validation.status import Status


class Gate(NamedTuple):
    """refusal: the status of a refused request, None to go on; key: what signs the answer."""

    refusal: Status | None
    key: ApiKey


def signing_key(client: OpenClient | None) -> ApiKey:
    """Return what signs an answer when no key verified the request.

    The oldest live key, which a client in the middle of a rotation surely knows; for an
    unknown client the empty key, as the reference server does.
    """
    return client.keys[0] if client is not None and client.keys else EMPTY_KEY


def pass_gate(client: OpenClient | None, request: VerifyRequest) -> Gate:
    """Decide in the protocol's order: client exists, is active, signature."""
    if client is None:
        return Gate(Status.NO_SUCH_CLIENT, EMPTY_KEY)
    if not client.record.active:
        return Gate(Status.OPERATION_NOT_ALLOWED, signing_key(client))
    if not request.signature:
        # "This request need not be signed", unless the client asked for more.
        refusal = Status.BAD_SIGNATURE if client.record.signed_only else None
        return Gate(refusal, signing_key(client))
    for key in client.keys:
        if key.verifies(request.signed_line, request.signature):
            return Gate(None, key)
    return Gate(Status.BAD_SIGNATURE, signing_key(client))
