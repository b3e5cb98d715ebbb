"""Proofs at the door of hosts: who asks is heard by its signature, who answers signs.

One shape for every dialogue (docs/agent.md): the host signs its request under a context of the
path's own, and the server signs its answer to just that request.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from aiohttp import hdrs, web

from agent.proof_wire import FORMAT, MAX_PROOF_OCTETS
from agent.report import HOST_HEADER, SIGNATURE_HEADER
from server.fleet.proof import ProofRefusedError
from server.fleet.reception import Reception
from server.fleet.server_identity import ServerIdentity
from server.journal.canonical import MalformedError, member, parse_object
from server.web.fleet import Handler, body_of, refusal_of, require_host

Work = Callable[[str, dict[str, Any]], Awaitable[Mapping[str, Any]]]
"""Does what an enrolled host asks: given its id and the request; returns the answer."""


class Dialogue(NamedTuple):
    """A path with what its requests are signed under, and who does what they ask."""

    path: str
    context: bytes
    work: Work


class ProofDoor:
    """Handlers over dialogues. identity: signs what is answered."""

    def __init__(
        self, reception: Reception, identity: ServerIdentity, dialogues: Iterable[Dialogue]
    ) -> None:
        self._reception = reception
        self._identity = identity
        self._dialogues = tuple(dialogues)

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """Return what `FleetDoor` serves besides, by path."""
        return [(one.path, self._handler(one)) for one in self._dialogues]

    def _handler(self, dialogue: Dialogue) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            host_id = require_host(request.headers.get(HOST_HEADER, ""))
            body = await body_of(request, MAX_PROOF_OCTETS)
            signature = request.headers.get(SIGNATURE_HEADER, "")
            receipt = await self._reception.hear(host_id, dialogue.context, body, signature)
            if receipt is not None:
                raise refusal_of(receipt)
            asked = parse_object(body)
            if member(asked, "format", int) != FORMAT:
                raise ProofRefusedError("unknown-format", "this format of proofs is not known here")
            if member(asked, "host", str) != host_id:
                raise MalformedError('"host" is another one than the header says')
            answer = json.dumps(await dialogue.work(host_id, asked), sort_keys=True).encode()
            return signed_answer(self._identity, dialogue.path, body, answer)

        return handle


def signed_answer(
    identity: ServerIdentity,
    path: str,
    request: bytes,
    answer: bytes,
    status: HTTPStatus = HTTPStatus.OK,
) -> web.Response:
    """Return an answer (JSON) that says whose it is, and to what."""
    headers = {
        SIGNATURE_HEADER: identity.sign_answer(path, request, status.value, answer),
        hdrs.CONTENT_TYPE: "application/json",
    }
    return web.Response(status=status, body=answer, headers=headers)
