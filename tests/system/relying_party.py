"""A relying party written for these tests: signs what it asks, checks what it is told."""

import asyncio
import base64
import secrets
from typing import NamedTuple, Self

from tests.keystead_process import KeysteadProcess
from tests.system.wire import Wire, WireAnswer
from validation.signature import EMPTY_KEY, ApiKey
from validation.status import Status

DECIDED_WITHIN_S = 60.0


class Told(NamedTuple):
    """An answer whose signature, OTP and nonce were found right."""

    status: Status
    http: WireAnswer


class RelyingParty:
    """One client of the service: its id and its API key."""

    def __init__(self, client_id: int, api_key: str) -> None:
        self.client_id = client_id
        self.api_key = api_key
        self._signer = ApiKey(base64.b64decode(api_key))

    @classmethod
    def enrol(cls, keystead: KeysteadProcess, name: str, *limit: str) -> Self:
        """Add a client; limit: options of `keystead client limit`, else as good as none."""
        client = keystead.cli("client", "add", name)
        party = cls(client["id"], client["api_key"])
        party.limit(keystead, *(limit or ("--rate", "1000000", "--burst", "1000000")))
        return party

    def limit(self, keystead: KeysteadProcess, *options: str) -> None:
        """Give this client a limit of its own."""
        keystead.cli("client", "limit", str(self.client_id), *options)

    def target(self, otp: str, nonce: str, *, signed: bool = True) -> str:
        """Return the path and query that asks about `otp`."""
        line = f"id={self.client_id}&nonce={nonce}&otp={otp}"
        signature = self._signer.sign(line.encode()).replace("+", "%2B")
        return f"/wsapi/2.0/verify?{line}" + (f"&h={signature}" if signed else "")

    async def ask(
        self, wire: Wire, otp: str, nonce: str | None = None, *, signed: bool = True
    ) -> Told:
        """Ask over `wire`; AssertionError for an answer that a careful client would refuse."""
        nonce = nonce or secrets.token_hex(16)
        http = await wire.get(self.target(otp, nonce, signed=signed))
        return Told(self.read(http, otp, nonce), http)

    async def decide(self, wire: Wire, otp: str) -> Status:
        """Ask again as long as the service says that it cannot decide."""
        async with asyncio.timeout(DECIDED_WITHIN_S):
            while True:
                told = await self.ask(wire, otp)
                if told.status is not Status.BACKEND_ERROR:
                    return told.status

    def read(self, http: WireAnswer, otp: str, nonce: str) -> Status:
        """Check signature and echo of an answer and return its status."""
        pairs = [line.split("=", 1) for line in http.body.decode().split("\r\n") if line]
        fields = dict(pairs)
        assert len(fields) == len(pairs), f"a field twice: {http.body!r}"
        signature = fields.pop("h")
        line = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
        status = Status(fields["status"])
        assert http.headers["cache-control"] == "no-store"
        if status is Status.BACKEND_ERROR and EMPTY_KEY.verifies(line.encode(), signature):
            return status  # the store was gone before it said what this client's key is
        assert self._signer.verifies(line.encode(), signature), f"signature: {http.body!r}"
        assert (fields["otp"], fields["nonce"]) == (otp, nonce)
        return status
