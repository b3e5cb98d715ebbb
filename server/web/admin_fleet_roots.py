"""The admin API on attestation roots: `/api/v1/fleet/roots`."""

import hashlib
from http import HTTPMethod
from typing import Annotated

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import ConfigDict, Field

from server.accounts.access import Permission
from server.fleet.attestation_bundle import AttestationBundle
from server.fleet.roots_desk import RootsDesk
from server.web.admin_request import answer, read_cause, read_json, read_query, write_down
from server.web.json_types import Body, Shown
from server.web.parameters import REASON
from server.web.route import Reach, Route

_PATH = "/fleet/roots"


class RootsFile(Body):
    """A signed edition, as its file holds it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"file": "{}"}]})

    file: Annotated[str, Field(max_length=60_000)]


class CertificateShown(Shown):
    """A certificate. sha256: of its DER."""

    name: str
    sha256: str
    ends: str


class RootsShown(Shown):
    """The edition that counts."""

    edition: int
    issued: str
    roots: list[CertificateShown]
    intermediates: list[CertificateShown]


class AdminFleetRoots:
    """Handlers over the desk of roots."""

    def __init__(self, desk: RootsDesk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API."""
        read, write, whole = Permission.FLEET_READ, Permission.FLEET_WRITE, Reach.SERVICE
        return [
            Route(HTTPMethod.GET, _PATH, self.show, read, whole, RootsShown),
            Route(
                HTTPMethod.POST,
                _PATH,
                self.load,
                write,
                whole,
                RootsShown,
                query=(REASON,),
                body=RootsFile,
            ),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """Show the roots that attestations have to end in."""
        read_query(request, ())
        return answer(request, _shown(await self._desk.current()))

    async def load(self, request: web.Request) -> web.Response:
        """Take a newer edition of the roots, signed by somebody who is trusted."""
        cause = read_cause(request)
        wanted = await read_json(request, RootsFile)
        bundle = await self._desk.load(wanted.file, cause=cause)
        write_down(request, "fleet-roots.load", edition=bundle.edition)
        return answer(request, _shown(bundle))


def _shown(bundle: AttestationBundle) -> RootsShown:
    return RootsShown(
        edition=bundle.edition,
        issued=bundle.issued.isoformat(),
        roots=[_certificate(one) for one in bundle.roots],
        intermediates=[_certificate(one) for one in bundle.intermediates],
    )


def _certificate(one: x509.Certificate) -> CertificateShown:
    return CertificateShown(
        name=one.subject.rfc4514_string().removeprefix("CN="),
        sha256=hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest(),
        ends=one.not_valid_after_utc.date().isoformat(),
    )
