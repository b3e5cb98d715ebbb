"""Claims at the door of hosts: what their users say of who holds a key (docs/agent.md)."""

from collections.abc import Iterable
from http import HTTPStatus

from aiohttp import web

from agent.report import CLAIM_CONTEXT, HOST_HEADER, SIGNATURE_HEADER
from server.fleet.claiming import MAX_OCTETS, UnknownClaimFormatError, read_claim
from server.fleet.holder_ports import HolderBook
from server.fleet.receipt import Receipt
from server.fleet.reception import Reception
from server.journal.canonical import MalformedError
from server.web.fleet import Handler, body_of, refusal_of, require_host
from server.web.problems import ProblemError

CLAIMS = "/fleet/v1/claims"


def _problem(status: HTTPStatus, code: str, detail: str) -> ProblemError:
    return ProblemError(status, detail, more={"code": code})


def _refusal_of(receipt: Receipt) -> ProblemError:
    """Return the problem, made anew: one that is raised again keeps every request before it."""
    if receipt is Receipt.CLASH:
        return _problem(
            HTTPStatus.CONFLICT,
            "sequence-taken",
            "a newer claim about this key is here: the host was copied or put back to an older"
            " state. Enrol it anew",
        )
    if receipt is Receipt.FULL:
        return _problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too-many-claims",
            "this host claims something of more keys than one host may: ask your operator",
        )
    return refusal_of(receipt)


def _claims_off() -> ProblemError:
    return _problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "claims-off",
        "this organisation takes no claims: tell your operator who holds which key",
    )


class ClaimDoor:
    """The handler over a reception, which says who signed, and the registry."""

    def __init__(self, reception: Reception, book: HolderBook) -> None:
        self._reception = reception
        self._book = book

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """Return what `FleetDoor` serves besides, by path."""
        return [(CLAIMS, self.claim)]

    async def claim(self, request: web.Request) -> web.Response:
        """Take what a host's user says of a key: it is durable when the answer is 202."""
        host_id = require_host(request.headers.get(HOST_HEADER, ""))
        body = await body_of(request, MAX_OCTETS)
        signature = request.headers.get(SIGNATURE_HEADER, "")
        receipt = await self._reception.hear(host_id, CLAIM_CONTEXT, body, signature)
        if receipt is None:
            receipt = await self._take(host_id, body)
        if receipt not in {Receipt.NEW, Receipt.AGAIN}:
            raise _refusal_of(receipt)
        self._reception.outcomes[f"claim-{receipt.value}"] += 1
        return web.json_response({}, status=HTTPStatus.ACCEPTED)

    async def _take(self, host_id: str, body: bytes) -> Receipt:
        if not self._reception.policy.claims:
            raise _claims_off()
        try:
            claim = read_claim(body)
        except UnknownClaimFormatError as error:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            raise _problem(status, "unknown-format", str(error)) from None
        if claim.host_id != host_id:
            raise MalformedError('"host" is another one than the header says')
        return await self._book.take_claim(claim)
