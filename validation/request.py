"""A verification request: the query string of `/wsapi/2.0/verify`, read without ever raising."""

import re
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from validation import query as queries
from validation.otp import MalformedOtpError, Otp, parse_otp
from validation.status import Status


class Protocol(Enum):
    """Which of the two doors: legacy `/wsapi/verify` (1.0, 1.1) or `/wsapi/2.0/verify`."""

    V1 = 1
    V2 = 2


class VerifyRequest(NamedTuple):
    """A request that is well-formed; nothing in it is proven.

    client_id: 1..9,999,999,999; nonce: 16-40 ASCII letters and digits, "" in V1; signature:
    the client's base64 `h`, "" = unsigned; signed_line: what it covers; sync_level: 0-100;
    timeout: seconds, at least 1, not yet held to the server's deadline.
    """

    client_id: int
    otp: Otp
    nonce: str
    signature: str
    signed_line: bytes
    wants_timestamp: bool
    sync_level: int | None
    timeout: int | None


class MalformedRequest(NamedTuple):
    """A request that is refused for its form.

    status: MISSING_PARAMETER or BAD_OTP; client_id: when exactly one good `id` was sent, so
    that the answer can be signed; otp, nonce: to be echoed, only what is itself well-formed
    (None in V1, whose answers echo nothing).
    """

    status: Status
    client_id: int | None
    otp: str | None
    nonce: str | None


_SYNC_LEVELS = {b"fast": 1, b"secure": 40} | {
    text: level
    for level in range(101)
    for text in (b"%d" % level, b"%02d" % level, b"%03d" % level)
}
"""`fast` and `secure` as the reference server's configuration has them by default."""

_V2 = Protocol.V2  # reading a member off its class is slow in Python 3.11
_MAX_ID_DIGITS = 10
_NONCE_LENGTHS = range(16, 41)
# One way to match only: `0*[0-9]+` would try every split of a long run of zeros (quadratic).
_INTEGER = re.compile(rb"(-?)([0-9]+)")
_LONG_TIMEOUT = 10**9


def _client_id(text: bytes) -> int:
    """Return the Client ID, or 0 for what is none. `isdigit` of bytes knows ASCII only."""
    return int(text) if text.isdigit() and len(text) <= _MAX_ID_DIGITS else 0


def _is_nonce(text: bytes) -> bool:
    return len(text) in _NONCE_LENGTHS and text.isalnum()


def _timeout(text: bytes) -> int | None:
    """Return seconds from 1 up, or None for what is not an integer."""
    match = _INTEGER.fullmatch(text)
    if match is None:
        return None
    sign, digits = match[1], match[2].lstrip(b"0")
    if sign or not digits:
        return 1
    # Not `int` of whatever length: that costs quadratic time and raises from 4,300 digits.
    return max(1, int(digits)) if len(digits) <= 9 else _LONG_TIMEOUT  # noqa: PLR2004 - 10**9


def _refusal(
    status: Status, parameters: Mapping[bytes, bytes], protocol: Protocol
) -> MalformedRequest:
    """Return the refusal with whatever of the request may be used and echoed."""
    client_id = _client_id(parameters.get(b"id", b"")) or None
    if protocol is Protocol.V1:
        return MalformedRequest(status, client_id, None, None)
    nonce = parameters.get(b"nonce", b"")
    try:
        otp = parse_otp(parameters.get(b"otp", b"").decode("latin-1")).text
    except MalformedOtpError:
        otp = None
    return MalformedRequest(
        status, client_id, otp, nonce.decode("ascii") if _is_nonce(nonce) else None
    )


def parse_request(query: bytes | str, protocol: Protocol) -> VerifyRequest | MalformedRequest:
    """Read a query string or form body, as it came, still percent-encoded.

    The first fault decides: too long, too many or repeated parameters, `id`, `otp` absent or
    empty, `nonce`, `sl`, `timeout` (all MISSING_PARAMETER), then a malformed `otp` (BAD_OTP).
    V1 knows neither `nonce` nor `sl` nor `timeout`: there they are only part of the signed line.
    Octets that are no UTF-8 are kept for the signed line and refused in every known parameter.
    """
    if isinstance(query, str):
        try:
            # The HTTP library decodes octets that are no UTF-8 this way: back to what was sent.
            query = query.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            return MalformedRequest(Status.MISSING_PARAMETER, None, None, None)
    parameters = queries.read(query)
    if parameters is None:
        return _refusal(Status.MISSING_PARAMETER, queries.sent_once(query), protocol)

    get = parameters.get
    client_id = _client_id(get(b"id", b""))
    text = get(b"otp", b"")
    nonce, sync_level, timeout = b"", None, None
    well_formed = bool(client_id and text)
    if protocol is _V2:
        nonce = get(b"nonce", b"")
        well_formed = well_formed and _is_nonce(nonce)
        if b"sl" in parameters:
            sync_level = _SYNC_LEVELS.get(parameters[b"sl"])
            well_formed = well_formed and sync_level is not None
        if b"timeout" in parameters:
            timeout = _timeout(parameters[b"timeout"])
            well_formed = well_formed and timeout is not None
    if not well_formed:
        return _refusal(Status.MISSING_PARAMETER, parameters, protocol)
    try:
        otp = parse_otp(text.decode("latin-1"))
    except MalformedOtpError:
        return _refusal(Status.BAD_OTP, parameters, protocol)
    # A raw `+` has become a space, which base64 never holds: some clients do not escape it.
    signature = parameters.pop(b"h", b"").decode("latin-1").replace(" ", "+")
    return VerifyRequest(
        client_id,
        otp,
        nonce.decode("ascii"),
        signature,
        queries.signed_line(parameters),
        get(b"timestamp") == b"1",
        sync_level,
        timeout,
    )
