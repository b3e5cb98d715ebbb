"""The ruling on a request, put into the protocol's words: pure."""

from typing import NamedTuple

from server.otp.verdict import LimitAdvice, Verdict
from validation.answer import Answer, compose
from validation.otp import OtpFields
from validation.request import MalformedRequest, Protocol, VerifyRequest
from validation.signature import EMPTY_KEY, ApiKey
from validation.status import Status

_NOT_ENOUGH_ANSWERS = Status.NOT_ENOUGH_ANSWERS


class Ruling(NamedTuple):
    """What was decided about a well-formed request.

    key: signs the answer; limit: set when over a limit; fields: the opened OTP, for an OK
    whose client asked for the counters; shadowed: as in Verdict; stale: it rests on a record
    that has changed since, so it should be made once more.
    """

    status: Status
    key: ApiKey
    limit: LimitAdvice | None = None
    fields: OtpFields | None = None
    shadowed: bool = False
    stale: bool = False


def answer_request(
    request: VerifyRequest, ruling: Ruling, protocol: Protocol, *, time_us: int, sync_level: int
) -> Verdict:
    """Answer a well-formed request. sync_level: per cent, what an OK guarantees.

    Protocol 1 knows no `otp`, `nonce` and `sl`; the counters are told on OK only, so that
    nobody learns them from an OTP that is not accepted.
    """
    status, key, limit, fields, shadowed, _ = ruling
    echoes = protocol is Protocol.V2
    accepted = status is Status.OK
    told = fields if accepted and request.wants_timestamp else None
    # By position: the fields' names would cost as much as the signature.
    answer = Answer(
        status,
        time_us,
        request.otp.text if echoes else None,
        request.nonce if echoes else None,
        sync_level if echoes and accepted else None,
        told.clock if told else None,
        told.session if told else None,
        told.use if told else None,
    )
    body = compose(answer, key)
    client_id = request.client_id
    # Nobody but a client that is not known is answered under the empty key (`gate`).
    counted_for = 0 if key is EMPTY_KEY else client_id
    beyond = status is _NOT_ENOUGH_ANSWERS and (request.sync_level or 0) > sync_level
    return Verdict(
        status, body, limit, client_id, request.otp.public_id, shadowed, counted_for, beyond
    )


def answer_form_fault(request: MalformedRequest, key: ApiKey, time_us: int) -> Verdict:
    """Answer a malformed request, echoing only what is itself well-formed."""
    answer = Answer(request.status, time_us, otp=request.otp, nonce=request.nonce)
    return Verdict(
        status=request.status,
        body=compose(answer, key),
        limit=None,
        client_id=request.client_id,
        public_id=None,
        shadowed=False,
        counted_for=0 if key is EMPTY_KEY or request.client_id is None else request.client_id,
    )


def answer_source_limit(advice: LimitAdvice, time_us: int) -> Verdict:
    """Answer a source over its rate. The request was not even parsed: nothing to echo."""
    status = Status.OPERATION_NOT_ALLOWED
    return Verdict(
        status=status,
        body=compose(Answer(status, time_us), EMPTY_KEY),
        limit=advice,
        client_id=None,
        public_id=None,
        shadowed=False,
    )
