"""Asks the service to validate, over HTTP, as any client does (`server.probing.ports.Knocker`).

Each question comes on a connection of its own: a connection that stands says nothing about whether
a new client would get in. Redirects are answers like any other, and never followed.
"""

import asyncio
import ssl
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import aiohttp

from server.probing.judge import Heard, Silence
from server.status.wire import MOST_OCTETS
from validation.signature import ApiKey

_PATH = "/wsapi/2.0/verify"
_SNAPSHOT = "/status/snapshot.json"
_MOST = 64 * 1024


class HttpKnocker:
    """A client of the service. key: signs the questions; ca: None for those the host trusts."""

    def __init__(
        self, url: str, client: int, key: ApiKey, *, deadline_s: float, ca: Path | None = None
    ) -> None:
        self._base = url.rstrip("/")
        self._client = client
        self._key = key
        self._deadline_s = deadline_s
        trust: ssl.SSLContext | bool = True
        if ca is not None:
            trust = ssl.create_default_context(cafile=ca)
        connector = aiohttp.TCPConnector(ssl=trust, force_close=True, use_dns_cache=False)
        # No proxy of the environment's, no cookies: what is measured is the service.
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def ask(self, otp: str, nonce: str) -> Heard | Silence:
        """Return the answer, or why there is none; within the deadline."""
        parameters = {"id": str(self._client), "nonce": nonce, "otp": otp}
        signed = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
        query = urlencode({**parameters, "h": self._key.sign(signed.encode("ascii"))})
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._get(f"{self._base}{_PATH}?{query}")
        except TimeoutError:
            return Silence.LATE
        except aiohttp.ClientConnectorError:
            return Silence.UNREACHABLE
        except (aiohttp.ClientError, OSError, ValueError):
            return Silence.BROKEN

    async def snapshot(self) -> bytes | None:
        """Return the service's public snapshot of its status; None when it has none to give."""
        try:
            async with asyncio.timeout(self._deadline_s):
                told = await self._get(f"{self._base}{_SNAPSHOT}", MOST_OCTETS)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            return None
        return told.body if isinstance(told, Heard) and told.http_status == HTTPStatus.OK else None

    async def _get(self, url: str, most: int = _MOST) -> Heard | Silence:
        async with self._session.get(url, allow_redirects=False) as answer:
            body = bytearray()
            while len(body) <= most and (more := await answer.content.readany()):
                body += more
            return Silence.ENDLESS if len(body) > most else Heard(answer.status, bytes(body))
