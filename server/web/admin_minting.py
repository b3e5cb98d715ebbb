"""The admin API on keys that are minted here: `/api/v1/keys/mint` and what becomes of one."""

import base64
from http import HTTPMethod, HTTPStatus
from typing import Annotated, Any

from aiohttp import web
from pydantic import ConfigDict, Field

from server.accounts.access import Permission
from server.accounts.text import MAX_NAME, MAX_REASON, checked_reason
from server.journal.acts import Cause
from server.provisioning.desk import MAX_EXPIRES_MINUTES, MintingDesk, Order
from server.provisioning.ports import MintedKey
from server.web.admin_request import CALLER, answer, moment, read_json, read_query, write_down
from server.web.json_types import Body, Moment, Shown
from server.web.parameters import LARGEST_NUMBER
from server.web.route import Reach, Route

_ONE = "/keys/{public_id}"
_Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
_Reason = Annotated[str, Field(max_length=MAX_REASON)]
_STATION_KEY = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VuAyEAxivx4fT1HhQB+r9faCUXp7oJ+ZBcM34yi2Ctqk2j9go=\n"
    "-----END PUBLIC KEY-----\n"
)


def _example(**values: Any) -> ConfigDict:  # noqa: ANN401 - JSON
    return ConfigDict(json_schema_extra={"examples": [values]})


class _KeyWanted(Body):
    """A key to be made, and whose station may open it.

    serial: the YubiKey's, 0 when it has none to show; station_key: X25519, PEM; public_id: null
    draws one; expires_minutes: within which the key has to be active, or it is void.
    """

    model_config = _example(
        order="order-7", serial=7654321, station="station-1", station_key=_STATION_KEY
    )

    order: _Name
    serial: Annotated[int, Field(ge=0, le=LARGEST_NUMBER)]
    station: _Name
    station_key: Annotated[str, Field(min_length=1, max_length=4096)]
    public_id: Annotated[str, Field(min_length=2, max_length=16)] | None = None
    expires_minutes: Annotated[int, Field(ge=1, le=MAX_EXPIRES_MINUTES)] = 24 * 60
    reason: _Reason = ""


class _Taking(Body):
    """What the release is for, as whoever asks for it knows it."""

    model_config = _example(order="order-7", station="station-1")

    order: _Name
    station: _Name
    reason: _Reason = ""


class _Proof(Body):
    """An OTP of the programmed YubiKey, which is spent with this."""

    model_config = _example(otp="vvvvvvvvvvvv" + "c" * 32)

    otp: Annotated[str, Field(min_length=1, max_length=100)]
    reason: _Reason = ""


class _Voiding(Body):
    """Why."""

    model_config = _example(reason="the YubiKey was lost before it was programmed")

    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON)]


class MintedShown(Shown):
    """A key that was minted here, without secrets.

    release: "offered", "taken", "expired" or "withdrawn"; state: that of the key, after NIST SP
    800-57: "pre-activation", "active" or "destroyed".
    """

    public_id: str
    generation: int
    order: str
    serial: int
    station: str
    expires: Moment
    created: Moment
    release: str
    state: str


class ReleaseShown(Shown):
    """The release, sealed to its station: this is the only time that anybody gets it."""

    public_id: str
    release: Annotated[str, Field(json_schema_extra={"contentEncoding": "base64"})]


class AdminMinting:
    """Handlers over the operator's desk for minting."""

    def __init__(self, desk: MintingDesk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API. Keys are nobody's but the service's."""
        mint, service = Permission.KEY_MINT, Reach.SERVICE
        get, post, shown = HTTPMethod.GET, HTTPMethod.POST, MintedShown
        created = HTTPStatus.CREATED
        return [
            Route(
                post, "/keys/mint", self.mint, mint, service, shown, status=created, body=_KeyWanted
            ),
            Route(get, _ONE + "/minting", self.show, Permission.KEY_READ, service, shown),
            Route(post, _ONE + "/release", self.release, mint, service, ReleaseShown, body=_Taking),
            Route(post, _ONE + "/activate", self.activate, mint, service, shown, body=_Proof),
            Route(post, _ONE + "/void", self.void, mint, service, shown, body=_Voiding),
        ]

    async def mint(self, request: web.Request) -> web.Response:
        """Make a key whose release waits for its station; no OTP of it is accepted yet."""
        wanted = await read_json(request, _KeyWanted)
        order = Order(
            wanted.order,
            wanted.serial,
            wanted.station,
            wanted.station_key,
            wanted.public_id or "",
            wanted.expires_minutes,
        )
        return _changed(
            request, "key.mint", await self._desk.mint(order, cause=_cause(request, wanted.reason))
        )

    async def show(self, request: web.Request) -> web.Response:
        """Show what became of a key that was minted here."""
        read_query(request, ())
        return answer(request, _shown(await self._desk.show(_public_id(request))))

    async def release(self, request: web.Request) -> web.Response:
        """Hand the sealed release to its station, once and never again."""
        wanted = await read_json(request, _Taking)
        public_id = _public_id(request)
        message = await self._desk.release(
            public_id,
            order=wanted.order,
            station=wanted.station,
            cause=_cause(request, wanted.reason),
        )
        write_down(request, "key.release", public_id=public_id)
        text = base64.b64encode(message).decode("ascii")
        return answer(request, ReleaseShown(public_id=public_id, release=text))

    async def activate(self, request: web.Request) -> web.Response:
        """Accept a key's OTPs from now on, shown one that the programmed YubiKey made."""
        proof = await read_json(request, _Proof)
        done = await self._desk.activate(
            _public_id(request), proof.otp, cause=_cause(request, proof.reason)
        )
        return _changed(request, "key.activate", done)

    async def void(self, request: web.Request) -> web.Response:
        """Give up a key that was never active; its secret is destroyed."""
        wanted = await read_json(request, _Voiding)
        done = await self._desk.void(_public_id(request), cause=_cause(request, wanted.reason))
        return _changed(request, "key.void", done)


def _public_id(request: web.Request) -> str:
    return request.match_info["public_id"].lower()


def _cause(request: web.Request, reason: str) -> Cause:
    return Cause(request[CALLER].actor, checked_reason(reason))


def _changed(request: web.Request, action: str, minted: MintedKey) -> web.Response:
    write_down(request, action, public_id=minted.public_id)
    return answer(request, _shown(minted))


def _shown(minted: MintedKey) -> MintedShown:
    context = minted.kept.context
    return MintedShown(
        public_id=context.public_id,
        generation=context.generation,
        order=context.order,
        serial=context.serial,
        station=context.station,
        expires=moment(context.expires_us),
        created=moment(minted.created_us),
        release=minted.kept.state.value,
        state=minted.state.value,
    )
