"""A small validation service on the far side of the seam, honest except for one chosen flaw.

It stands where Keystead stands: behind HTTP. The load test must call every flaw by its name, and
find nothing wrong with it when it has none.
"""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from loadtest import keyfile
from loadtest.keyfile import KeySecrets
from validation.answer import Answer, compose
from validation.gcra import FRESH, UNLIMITED, Budget, Policy, Rate, spend
from validation.otp import InvalidOtpError, OtpCipher
from validation.request import MalformedRequest, Protocol, VerifyRequest, parse_request
from validation.signature import EMPTY_KEY, ApiKey
from validation.status import Status

_EVERY = 15
_OTHERS_TURN_S = 0.05


class Flaw(Enum):
    """What is wrong with the service."""

    NONE = "nothing"
    REPLAYS = "accepts an OTP again"
    RACES = "decides on what it read before it waited"
    REFUSES = "calls a valid OTP replayed, now and then"
    FAILS = "answers a valid OTP with BACKEND_ERROR, now and then"
    SILENT = "cuts the connection for a valid OTP, now and then"
    FORGES = "signs OK with another key, now and then"
    GARBLED = "accepts what it cannot open"
    DISABLED = "accepts a disabled key"
    UNSIGNED = "accepts a wrong signature"
    LIMITS = "limits clients that are below their limit"
    CONSUMES = "consumes an OTP that it refuses over the limit"
    GENEROUS = "admits twice the limit"
    REDIRECTS = "sends everybody to Yubico"


class SmallClient(NamedTuple):
    """A client as the service knows it, and as the clients file tells it."""

    client_id: int
    secret: bytes
    rate: int
    burst: int
    over: bool = False
    active: bool = True

    def to_json(self) -> dict[str, Any]:
        values = self._asdict() | {
            "id": self.client_id,
            "api_key": base64.b64encode(self.secret).decode(),
        }
        return {name: values[name] for name in ("id", "api_key", "rate", "burst", "over", "active")}


CLIENTS = (
    SmallClient(1, secrets.token_bytes(20), 500, 2000),
    SmallClient(2, secrets.token_bytes(20), 2, 3, over=True),
    SmallClient(3, secrets.token_bytes(20), 500, 2000, active=False),
)


class FlawedService:
    """Keys and counters in memory. flaw: the one thing it does wrong."""

    def __init__(self, flaw: Flaw, keys: Sequence[KeySecrets]) -> None:
        self._flaw = flaw
        self._keys = {key.public_id: key for key in keys}
        self._ciphers = {key.public_id: OtpCipher(key.aes_key) for key in keys}
        self._clients = {client.client_id: client for client in CLIENTS}
        self._counters: dict[str, tuple[int, int]] = {}
        self._last: dict[str, tuple[tuple[int, int], str]] = {}
        self._budgets: dict[tuple[int, bool], Budget] = {}
        self._fresh = 0
        self.answered = 0

    async def verify(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        self.answered += 1
        if self._flaw is Flaw.REDIRECTS:
            raise web.HTTPFound("https://api.yubico.com/wsapi/2.0/verify")
        asked = parse_request(request.rel_url.raw_query_string, Protocol.V2)
        client = self._clients.get(asked.client_id or 0)
        key = EMPTY_KEY if client is None else ApiKey(client.secret)
        if isinstance(asked, MalformedRequest):
            return _say(asked.status, key, asked.otp, asked.nonce)
        status, limited = await self._rule(asked, client, key)
        if status is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if status is Status.OK and self._flaw is Flaw.FORGES and self._now_and_then():
            key = ApiKey(b"somebody else's")
        return _say(status, key, asked.otp.text, asked.nonce, limited=limited)

    async def _rule(
        self, asked: VerifyRequest, client: SmallClient | None, key: ApiKey
    ) -> tuple[Status | None, bool]:
        """Return the status (None: no answer at all), and whether a limit is the reason."""
        if client is None:
            return Status.NO_SUCH_CLIENT, False
        if not client.active:
            return Status.OPERATION_NOT_ALLOWED, False
        if (
            asked.signature
            and not key.verifies(asked.signed_line, asked.signature)
            and self._flaw is not Flaw.UNSIGNED
        ):
            return Status.BAD_SIGNATURE, False
        limited = self._is_limited(client, signed=bool(asked.signature))
        if limited and self._flaw is not Flaw.CONSUMES:
            return Status.OPERATION_NOT_ALLOWED, True
        decided = await self._decide(asked)
        return (Status.OPERATION_NOT_ALLOWED, True) if limited else (decided, False)

    def _is_limited(self, client: SmallClient, *, signed: bool) -> bool:
        if self._flaw is Flaw.LIMITS and not client.over:
            return self._now_and_then()
        twice = 2 if self._flaw is Flaw.GENEROUS else 1
        rate = Rate.per_second(client.rate * twice, client.burst * twice)
        place = (client.client_id, signed)
        budget = self._budgets.get(place, FRESH)
        grant = spend(Policy(rate, UNLIMITED), budget, 1, time.time_ns() // 1000)
        self._budgets[place] = grant.budget
        return not grant.granted

    async def _decide(self, asked: VerifyRequest) -> Status | None:
        public_id = asked.otp.public_id
        key = self._keys.get(public_id)
        if key is None or not (key.active or self._flaw is Flaw.DISABLED):
            return Status.BAD_OTP
        try:
            fields = self._ciphers[public_id].open(asked.otp.ciphertext, key.private_id)
        except InvalidOtpError:
            return Status.OK if self._flaw is Flaw.GARBLED else Status.BAD_OTP
        offered = (fields.session, fields.use)
        stored = self._counters.get(public_id, (-1, -1))
        if self._flaw is Flaw.RACES:
            await asyncio.sleep(_OTHERS_TURN_S)
        if offered <= stored and self._flaw is not Flaw.REPLAYS:
            repeated = self._last.get(public_id) == (offered, asked.nonce)
            return Status.REPLAYED_REQUEST if repeated else Status.REPLAYED_OTP
        flawed: dict[Flaw, Status | None] = {
            Flaw.REFUSES: Status.REPLAYED_OTP,
            Flaw.FAILS: Status.BACKEND_ERROR,
            Flaw.SILENT: None,
        }
        if self._flaw in flawed and self._now_and_then():
            return flawed[self._flaw]
        self._counters[public_id] = max(stored, offered)
        self._last[public_id] = (offered, asked.nonce)
        return Status.OK

    def _now_and_then(self) -> bool:
        self._fresh += 1
        # Silence is met with the same question again, so it has to last for two.
        return self._fresh > _EVERY if self._flaw is Flaw.SILENT else self._fresh % _EVERY == 0


def _say(
    status: Status, key: ApiKey, otp: str | None, nonce: str | None, *, limited: bool = False
) -> web.Response:
    body = compose(Answer(status, time.time_ns() // 1000, otp, nonce, 100), key)
    return web.Response(body=body, status=429 if limited else 200)


class Standing(NamedTuple):
    """A service that answers, and the load test's files for it."""

    service: FlawedService
    target: str
    keys: Path
    clients: Path


@asynccontextmanager
async def standing(flaw: Flaw, folder: Path) -> AsyncIterator[Standing]:
    """Run the service on a free port; the files are made in `folder`."""
    keys = [KeySecrets.new() for _ in range(12)]
    keys[10:] = [key._replace(active=False) for key in keys[10:]]
    keyfile.make(keys, folder / "keys.json", folder / "keys.csv")
    clients = folder / "clients.json"
    clients.touch(mode=0o600)
    clients.write_text(json.dumps([client.to_json() for client in CLIENTS]))
    service = FlawedService(flaw, keys)
    app = web.Application()
    app.router.add_get("/wsapi/2.0/verify", service.verify)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield Standing(service, f"http://127.0.0.1:{port}", folder / "keys.json", clients)
    finally:
        await runner.cleanup()
