"""The admin API on the vault's keys: `/api/v1/vault`."""

from http import HTTPMethod, HTTPStatus
from pathlib import Path
from typing import Annotated

from aiohttp import web
from pydantic import ConfigDict, Field

from hsm.seals import describe
from server.accounts.access import Permission
from server.accounts.text import checked_reason
from server.journal.acts import Cause
from server.resealing.desk import VaultDesk
from server.resealing.ports import Kind
from server.resealing.rotation import Rotation
from server.web.admin_request import CALLER, answer, moment, read_json, read_query, write_down
from server.web.json_types import Body, Moment, Shown
from server.web.route import Reach, Route

_VAULT = "/vault"
_Reason = Annotated[str, Field(min_length=1, max_length=4096)]
_File = Annotated[str, Field(min_length=1, max_length=4096, pattern="^/")]


class _Wanted(Body):
    """Why, and where the ceremony's secret lies on the service's machine (null: in secrets/)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "yearly rotation"}]})

    reason: _Reason
    ceremony_secret: _File | None = None


class VaultKeyShown(Shown):
    """A key that records are sealed under. kind: "otp" or "secrets"; records: how many are."""

    kind: str
    key: str
    name: str
    state: str
    records: int


class RotationShown(Shown):
    """A rotation that stands: what every record is to be under, and how many are not yet.

    trouble: why it waits, "" while it goes on; it is tried again by itself.
    """

    otp: str
    secrets: str
    began: Moment
    actor: str
    reason: str
    left: int
    trouble: str


class VaultShown(Shown):
    """The vault's keys. unknown: records under keys that the vault does not have: an alarm."""

    keys: list[VaultKeyShown]
    unknown: int
    rotation: RotationShown | None


class BegunShown(Shown):
    """A rotation stands from now on, and goes on by itself."""

    otp: str
    secrets: str


class AdminVault:
    """Handlers over the operator's desk for the vault's keys."""

    def __init__(self, desk: VaultDesk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API: all about the service as a whole."""
        get, post, service = HTTPMethod.GET, HTTPMethod.POST, Reach.SERVICE
        accepted = HTTPStatus.ACCEPTED
        return [
            Route(get, _VAULT, self.show, Permission.VAULT_READ, service, VaultShown),
            *(
                Route(
                    post,
                    f"{_VAULT}/{name}",
                    handler,
                    Permission.VAULT_ROTATE,
                    service,
                    BegunShown,
                    status=accepted,
                    body=_Wanted,
                )
                for name, handler in (("rotate", self.rotate), ("migrate", self.migrate))
            ),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """Show the vault's keys, how many records are under each, and a rotation that stands."""
        read_query(request, ())
        status = await self._desk.status()
        keys = [
            VaultKeyShown(
                kind=key.kind.value,
                key=describe(key.seal),
                name=key.name,
                state=key.state,
                records=status.counts[key.kind].get(key.seal, 0),
            )
            for key in status.keys
        ]
        total = sum(sum(counted.values()) for counted in status.counts.values())
        rotation = status.rotation and _shown(status.rotation, status.left, status.trouble)
        unknown = total - sum(key.records for key in keys)
        return answer(request, VaultShown(keys=keys, unknown=unknown, rotation=rotation))

    async def rotate(self, request: web.Request) -> web.Response:
        """Begin to bring all records under new keys, which are made now."""
        wanted = await read_json(request, _Wanted)
        begun = await self._desk.rotate(ceremony=_file(wanted), cause=_cause(request, wanted))
        return _begun(request, "vault.rotate", begun)

    async def migrate(self, request: web.Request) -> web.Response:
        """Begin to bring all records under what the vault is configured to seal with."""
        wanted = await read_json(request, _Wanted)
        begun = await self._desk.migrate(ceremony=_file(wanted), cause=_cause(request, wanted))
        return _begun(request, "vault.migrate", begun)


def _file(wanted: _Wanted) -> Path | None:
    return None if wanted.ceremony_secret is None else Path(wanted.ceremony_secret)


def _cause(request: web.Request, wanted: _Wanted) -> Cause:
    return Cause(request[CALLER].actor, checked_reason(wanted.reason))


def _begun(request: web.Request, action: str, begun: Rotation) -> web.Response:
    otp, secrets = (describe(begun.target.of(kind)) for kind in Kind)
    write_down(request, action, otp=otp, secrets=secrets)
    return answer(request, BegunShown(otp=otp, secrets=secrets))


def _shown(rotation: Rotation, left: int, trouble: str) -> RotationShown:
    return RotationShown(
        otp=describe(rotation.target.otp),
        secrets=describe(rotation.target.secrets),
        began=moment(rotation.began_us),
        actor=str(rotation.cause.actor),
        reason=rotation.cause.reason,
        left=left,
        trouble=trouble,
    )
