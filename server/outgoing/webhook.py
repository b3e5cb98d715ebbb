"""Sends webhooks: signed JSON by POST, to public addresses, without following anybody elsewhere.

Of an answer only the status counts; its body is never read, so that it can be neither slow nor
endless nor anybody's way into our logs.
"""

import json
import ssl
from pathlib import Path

import aiohttp

from hsm import privatefile
from hsm.privatefile import PrivateFileError
from server.clock import Clock
from server.notices.board import Board
from server.notices.hook_url import HookUrl, HookUrlError
from server.notices.message import Message
from server.notices.sending import Fate, Outcome
from server.notices.signature import WebhookSecret
from server.outgoing.guarded import GuardedResolver, Judge, Lookup, judge_for, system_lookup

DEADLINE_S = 10.0
"""For everything: the name, the connection, TLS, the request and the answer's head."""

_SECRET_FILE_OCTETS = 1024
_LINE_OCTETS = 4096
_GONE = 410
_US = 1_000_000


class WebhookSender:
    """Keeps `server.notices.sending.Sender` for webhooks of a board.

    lookup, judge: for tests; without them the system's resolver and the board's rule.
    """

    def __init__(
        self,
        board: Board,
        *,
        clock: Clock,
        deadline_s: float = DEADLINE_S,
        lookup: Lookup = system_lookup,
        judge: Judge | None = None,
    ) -> None:
        self._board = board
        self._clock = clock
        self._deadline = aiohttp.ClientTimeout(total=deadline_s)
        self._lookup = lookup
        self._judge = judge or judge_for(board.internal_hosts)

    async def send(self, place: str, name: str, message: Message) -> Outcome:
        """Post a message once."""
        reachable = self._board.people.get(name) or self._board.subscribers.get(name)
        if reachable is None or reachable.webhook != place or reachable.secret_file is None:
            return Outcome(Fate.REFUSED, "it is not on the notice board any more")
        try:
            secret = _secret(Path(reachable.secret_file))
            hook = HookUrl.parse(place, self._board.internal_hosts)
            tls = ssl.create_default_context(cafile=self._board.webhook_authorities)
        except (PrivateFileError, ValueError, OSError) as error:
            # A fault on our side that somebody can mend; but for the URL, which stays what it is.
            fate = Fate.REFUSED if isinstance(error, HookUrlError) else Fate.FAILED
            return Outcome(fate, str(error))
        body = json.dumps(message.payload, separators=(",", ":")).encode()
        now_s = self._clock.now_us() // _US
        headers = secret.headers(message.message_id, now_s, body)
        return await self._post(hook, tls, body, headers)

    async def _post(
        self, hook: HookUrl, tls: ssl.SSLContext, body: bytes, headers: dict[str, str]
    ) -> Outcome:
        guard = GuardedResolver(hook.host, self._lookup, self._judge)
        connector = aiohttp.TCPConnector(
            resolver=guard,
            use_dns_cache=False,  # what was judged for another message says nothing of this one
            force_close=True,
            socket_factory=guard.make_socket,
            ssl=tls,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._deadline,
            trust_env=False,  # a proxy would do the connecting, to wherever
            auto_decompress=False,
            max_line_size=_LINE_OCTETS,
            max_field_size=_LINE_OCTETS,
            headers={"Content-Type": "application/json", "User-Agent": "Keystead"},
        )
        try:
            async with session:
                answer = await session.post(
                    hook.url, data=body, headers=headers, allow_redirects=False
                )
                status = answer.status
                answer.close()
        except TimeoutError:
            return Outcome(Fate.FAILED, f"no answer within {self._deadline.total:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if guard.refusal is not None:
                return Outcome(Fate.REFUSED, str(guard.refusal))
            return Outcome(Fate.FAILED, _reason(error))
        return _judged(status)


def _judged(status: int) -> Outcome:
    """Return what a status says of the attempt."""
    if 200 <= status < 300:  # noqa: PLR2004 - success, as HTTP has it
        return Outcome(Fate.DELIVERED, f"HTTP {status}")
    if 300 <= status < 400:  # noqa: PLR2004 - elsewhere
        return Outcome(Fate.FAILED, f"HTTP {status}: it sends elsewhere, which is not followed")
    if status == _GONE:
        return Outcome(Fate.REFUSED, f"HTTP {status}: it is gone for good")
    return Outcome(Fate.FAILED, f"HTTP {status}")


def _secret(file: Path) -> WebhookSecret:
    octets = privatefile.read(
        file,
        _SECRET_FILE_OCTETS,
        when_absent="Make it with: keystead notice secret FILE",
        when_open="give the receiver another secret",
    )
    try:
        return WebhookSecret.parse(octets)
    except ValueError as error:
        raise PrivateFileError(f"{file} holds no webhook's secret: {error}") from None


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ClientConnectorCertificateError, "its certificate is not to be trusted"),
    (aiohttp.ClientSSLError, "TLS failed"),
    (aiohttp.ClientConnectorDNSError, "its name leads nowhere"),
    (aiohttp.ClientConnectorError, "it cannot be connected to"),
    (aiohttp.ClientResponseError, "its answer is no HTTP"),
    (aiohttp.ServerDisconnectedError, "it hung up without an answer"),
)
"""Our own words: those of the libraries quote what the other side has sent."""


def _reason(error: Exception) -> str:
    for kind, words in _REASONS:
        if isinstance(error, kind):
            return words
    return f"the connection failed ({type(error).__name__})"
