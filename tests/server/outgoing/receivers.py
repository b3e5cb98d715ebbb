"""Receivers on loopback: an honest one for webhooks, scripted ones that are not, an SMTP server."""

import asyncio
import base64
import contextlib
import email
import email.policy
import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import NamedTuple, Self

from aiohttp import web
from aiosmtpd.smtp import SMTP as SmtpServer  # noqa: N811 - an acronym, not a constant
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Received(NamedTuple):
    """A webhook as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    def is_signed_with(self, secret: str) -> bool:
        """Check the signature, as a receiver does that reads the specification."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = b".".join(
            (
                self.headers["webhook-id"].encode(),
                self.headers["webhook-timestamp"].encode(),
                self.body,
            )
        )
        wanted = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        return f"v1,{wanted}" in self.headers["webhook-signature"].split(" ")


class HookReceiver:
    """An HTTP server that notes what it gets. status, location: how it answers from now on."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.status = 204
        self.location = ""
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def open(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, self.port, ssl_context=tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.path, headers, await request.read()))
        more = {"Location": self.location} if self.location else {}
        return web.Response(status=self.status, headers=more)


@asynccontextmanager
async def scripted(talk: Talk, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Serve connections with `talk`; yield the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, host, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


class Letter(NamedTuple):
    """A letter as an SMTP server took it."""

    sender: str
    recipients: list[str]
    message: EmailMessage


class MailBox:
    """What an SMTP server does with what it is given. answers: instead of taking it, one each."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.recipient_answers: list[str] = []
        self.data_answers: list[str] = []
        self.logins: list[tuple[str, str]] = []
        self._held: asyncio.Event | None = None

    def hold(self) -> None:
        """Take letters from now on and say nothing, until `let_through`."""
        self._held = asyncio.Event()

    def let_through(self) -> None:
        """Answer for what was held, and at once again."""
        if self._held is not None:
            self._held.set()
            self._held = None

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name for it
        self,
        server: SmtpServer,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        del server, session, options
        if self.recipient_answers:
            return self.recipient_answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - as said
        self, server: SmtpServer, session: Session, envelope: Envelope
    ) -> str:
        del server, session
        if self.data_answers:
            return self.data_answers.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=email.policy.SMTP)
        assert isinstance(message, EmailMessage)
        self.letters.append(Letter(envelope.mail_from or "", list(envelope.rcpt_tos), message))
        if self._held is not None:
            await self._held.wait()
        return "250 2.0.0 OK: queued as 4711"

    def authenticate(
        self, server: SmtpServer, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        del server, session, envelope, mechanism
        assert isinstance(data, LoginPassword)
        user, password = data.login.decode(), data.password.decode()
        self.logins.append((user, password))
        return AuthResult(success=password == "right", handled=False)


@asynccontextmanager
async def smtp_server(
    box: MailBox, *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve SMTP on loopback; yield the port. starttls: offer it; tls: speak it from the start."""
    loop = asyncio.get_running_loop()

    def protocol() -> SmtpServer:
        return SmtpServer(
            box,
            hostname="mail.test",
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=box.authenticate,
            auth_require_tls=tls is None,
            loop=loop,
        )

    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
