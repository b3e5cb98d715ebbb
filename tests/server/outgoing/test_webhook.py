"""Webhooks, attacked: S20 - private addresses, redirects, rebinding, answers that never end."""

import asyncio
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from server.clock import SystemClock
from server.notices.addresses import Address, ForbiddenAddressError
from server.notices.board import Board
from server.notices.message import Message
from server.notices.sending import Fate, Outcome
from server.outgoing.guarded import Lookup
from server.outgoing.webhook import WebhookSender
from tests.certificates import Authority
from tests.server.notices.boards import SECRET, secret_file
from tests.server.outgoing.receivers import HookReceiver, scripted

MESSAGE = Message(
    "d-1", "incident-12", "subject", "text", {"type": "incident.opened", "title": "größer"}
)


@pytest.fixture
async def receiver() -> AsyncIterator[HookReceiver]:
    receiver = await HookReceiver().open()
    yield receiver
    await receiver.close()


class Names:
    """A resolver that says what it is told to; asked: how often."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        del host, port
        self.asked += 1
        return self._answers[min(self.asked, len(self._answers)) - 1]


class OnlyThese:
    """A rule: these addresses of loopback stand for the Internet, the rest is inside."""

    def __init__(self, *allowed: str) -> None:
        self._allowed = {ipaddress.ip_address(text) for text in allowed}
        self.judged: list[Address | None] = []

    def __call__(self, host: str, address: Address | None) -> None:
        self.judged.append(address)
        if address not in self._allowed:
            raise ForbiddenAddressError(f"{host} leads inside")


class Told:
    """Somebody on the board, and what sends to them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def board(self, url: str, *, internal: Sequence[str] = ("hook.test",), more: str = "") -> Board:
        text = (
            f"internal_hosts = {json.dumps(list(internal))}\n{more}\n"
            f'[[subscriber]]\nname = "ops"\nwebhook = "{url}"\n'
            f'secret_file = "{secret_file(self._folder)}"\n'
        )
        return Board.parse(text, "notices.toml")

    async def send(
        self,
        url: str,
        *,
        lookup: Lookup,
        judge: OnlyThese | None = None,
        internal: Sequence[str] = ("hook.test",),
        deadline_s: float = 5.0,
        more: str = "",
    ) -> Outcome:
        sender = WebhookSender(
            self.board(url, internal=internal, more=more),
            clock=SystemClock(),
            deadline_s=deadline_s,
            lookup=lookup,
            judge=judge,
        )
        return await sender.send(url, "ops", MESSAGE)


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


async def test_s20_a_webhook_arrives_signed_and_whole(told: Told, receiver: HookReceiver) -> None:
    names = Names(["127.0.0.1"])
    outcome = await told.send(f"http://hook.test:{receiver.port}/in?a=b", lookup=names)
    assert outcome == Outcome(Fate.DELIVERED, "HTTP 204")
    (one,) = receiver.received
    assert one.is_signed_with(SECRET)
    assert not one.is_signed_with("whsec_" + "A" * 32)
    assert json.loads(one.body) == MESSAGE.payload
    assert one.headers["webhook-id"] == "d-1"
    assert one.headers["content-type"] == "application/json"
    assert one.headers["host"] == f"hook.test:{receiver.port}"
    assert "cookie" not in one.headers
    assert SECRET not in str(one.headers) + one.body.decode()


@pytest.mark.parametrize(
    "inside",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fe80::1%lo",
     "64:ff9b::7f00:1", "2002:7f00:1::", "0.0.0.1", "::", "nonsense"],
)  # fmt: skip
async def test_s20_a_name_that_leads_inside_is_told_nothing(
    told: Told, receiver: HookReceiver, inside: str
) -> None:
    for answer in ([inside], ["8.8.8.8", inside], [inside, "8.8.8.8"]):
        outcome = await told.send(
            f"https://evil.example:{receiver.port}/", lookup=Names(answer), internal=()
        )
        assert outcome.fate is Fate.REFUSED
        assert "evil.example leads to" in outcome.detail
    assert receiver.received == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "169.254.169.254"]
)
async def test_s20_an_address_inside_is_no_webhook_at_all(told: Told, host: str) -> None:
    with pytest.raises(Exception, match="leads to"):
        told.board(f"https://{host}/", internal=())


async def test_s20_the_address_that_was_judged_is_the_one_that_is_connected_to(
    told: Told, receiver: HookReceiver
) -> None:
    # The next answer would lead inside; nobody asks for it.
    inside = HookReceiver()
    inside.port = receiver.port
    await inside.open("127.0.0.2")
    names, rule = Names(["127.0.0.1"], ["127.0.0.2"]), OnlyThese("127.0.0.1")
    outcome = await told.send(f"http://hook.test:{receiver.port}/", lookup=names, judge=rule)
    assert (outcome.fate, names.asked) == (Fate.DELIVERED, 1)
    assert (len(receiver.received), len(inside.received)) == (1, 0)
    # Now it does lead inside, and the message ends there.
    outcome = await told.send(f"http://hook.test:{receiver.port}/", lookup=names, judge=rule)
    assert outcome == Outcome(Fate.REFUSED, "hook.test leads inside")
    assert (len(receiver.received), len(inside.received)) == (1, 0)
    await inside.close()


async def test_s20_no_socket_is_made_for_an_address_that_nobody_judged(
    told: Told, receiver: HookReceiver
) -> None:
    rule = OnlyThese("127.0.0.1")
    await told.send(f"http://hook.test:{receiver.port}/", lookup=Names(["127.0.0.1"]), judge=rule)
    # Once as the name's answer, once as the address of the socket.
    assert rule.judged == [ipaddress.ip_address("127.0.0.1")] * 2
    literal = OnlyThese("127.0.0.2")
    internal = ("127.0.0.1",)
    outcome = await told.send(
        f"http://127.0.0.1:{receiver.port}/", lookup=Names([]), judge=literal, internal=internal
    )
    # An address needs no resolver, so its socket is the only guard; it holds.
    assert outcome == Outcome(Fate.REFUSED, "127.0.0.1 leads inside")
    assert len(receiver.received) == 1


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "017700000001"])
async def test_s20_an_address_written_in_another_way_gets_nowhere(
    told: Told, receiver: HookReceiver, host: str
) -> None:
    async def as_the_system_does(name: str, port: int) -> Sequence[str]:
        found = await asyncio.get_running_loop().getaddrinfo(name, port)
        return [str(sockaddr[0]) for *_, sockaddr in found]

    outcome = await told.send(
        f"https://{host}:{receiver.port}/", lookup=as_the_system_does, internal=()
    )
    assert outcome.fate is not Fate.DELIVERED
    assert receiver.received == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_s20_nobody_is_followed_elsewhere(
    told: Told, receiver: HookReceiver, status: int
) -> None:
    elsewhere = await HookReceiver().open()
    receiver.status = status
    receiver.location = f"http://hook.test:{elsewhere.port}/"
    outcome = await told.send(f"http://hook.test:{receiver.port}/", lookup=Names(["127.0.0.1"]))
    assert outcome == Outcome(
        Fate.FAILED, f"HTTP {status}: it sends elsewhere, which is not followed"
    )
    assert (len(receiver.received), elsewhere.received) == (1, [])
    await elsewhere.close()


async def test_plain_http_is_for_hosts_of_ours_alone(told: Told) -> None:
    with pytest.raises(Exception, match="is told over https"):
        told.board("http://hooks.example.org/", internal=())


async def test_a_certificate_of_nobody_known_is_not_believed(told: Told, tmp_path: Path) -> None:
    ours, theirs = Authority(), Authority()
    files = theirs.issue(tmp_path / "tls", "hook.test")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    receiver = await HookReceiver().open(tls=context)
    url = f"https://hook.test:{receiver.port}/"
    for authority, fate in ((ours, Fate.FAILED), (theirs, Fate.DELIVERED)):
        file = authority.write(tmp_path / "ca.pem")
        outcome = await told.send(
            url, lookup=Names(["127.0.0.1"]), more=f'webhook_authorities = "{file}"'
        )
        assert outcome.fate is fate
    assert len(receiver.received) == 1
    other = await told.send(
        f"https://other.test:{receiver.port}/",
        lookup=Names(["127.0.0.1"]),
        internal=("other.test",),
        more=f'webhook_authorities = "{tmp_path / "ca.pem"}"',
    )
    assert other == Outcome(Fate.FAILED, "its certificate is not to be trusted")
    await receiver.close()


async def _read_head(reader: asyncio.StreamReader) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def test_an_endless_body_is_not_read(told: Told) -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await _read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            await writer.drain()
            sent += 0x10000

    async with scripted(flood) as port:
        outcome = await told.send(f"http://hook.test:{port}/", lookup=Names(["127.0.0.1"]))
    assert outcome == Outcome(Fate.DELIVERED, "HTTP 200")
    assert sent < 64 << 20


@pytest.mark.parametrize(
    "piece",
    [b"", b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n", b"x", b"HTTP/1.1 100 Continue\r\n\r\n"],
    ids=["silent", "status line again and again", "fields", "one long line", "continue"],
)
async def test_an_answer_that_does_not_end_is_given_up(told: Told, piece: bytes) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read_head(reader)
        if piece.startswith(b"X"):
            writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001)

    async with scripted(drip) as port:
        async with asyncio.timeout(30):  # a guard against hanging, no measure
            outcome = await told.send(
                f"http://hook.test:{port}/", lookup=Names(["127.0.0.1"]), deadline_s=0.4
            )
    assert outcome.fate is Fate.FAILED


@pytest.mark.parametrize("piece", [b"X-A: b\r\n", b"x" * 1000, b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_a_flood_of_heads_is_given_up(told: Told, piece: bytes) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read_head(reader)
        writer.write(b"" if piece.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(piece * 1000)
            await writer.drain()

    async with scripted(flood) as port:
        async with asyncio.timeout(30):
            outcome = await told.send(
                f"http://hook.test:{port}/", lookup=Names(["127.0.0.1"]), deadline_s=1.0
            )
    assert outcome.fate is Fate.FAILED


async def test_a_name_that_is_never_found_is_given_up(told: Told) -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        del host, port
        await asyncio.Event().wait()
        return []

    outcome = await told.send("https://hook.test/", lookup=never, deadline_s=0.2)
    assert outcome == Outcome(Fate.FAILED, "no answer within 0.2 s")


async def test_what_the_other_side_says_is_nowhere_in_the_outcome(told: Told) -> None:
    async def garble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read_head(reader)
        writer.write(b"HTTP/9 \x1b[31mevil\r\n\r\n")
        await writer.drain()

    async with scripted(garble) as port:
        outcome = await told.send(f"http://hook.test:{port}/", lookup=Names(["127.0.0.1"]))
    assert outcome.fate is Fate.FAILED
    assert "evil" not in outcome.detail
    assert outcome.detail.isprintable()


@pytest.mark.parametrize(
    ("status", "fate"),
    [(200, Fate.DELIVERED), (299, Fate.DELIVERED), (400, Fate.FAILED), (410, Fate.REFUSED),
     (429, Fate.FAILED), (500, Fate.FAILED), (503, Fate.FAILED)],
)  # fmt: skip
async def test_what_a_status_means(
    told: Told, receiver: HookReceiver, status: int, fate: Fate
) -> None:
    receiver.status = status
    outcome = await told.send(f"http://hook.test:{receiver.port}/", lookup=Names(["127.0.0.1"]))
    assert outcome.fate is fate
    assert str(status) in outcome.detail


async def test_a_hook_that_is_not_on_the_board_any_more_is_told_nothing(
    told: Told, receiver: HookReceiver
) -> None:
    url = f"http://hook.test:{receiver.port}/"
    sender = WebhookSender(told.board(url), clock=SystemClock(), lookup=Names(["127.0.0.1"]))
    for place, name in ((url, "nobody"), (f"{url}other", "ops")):
        assert (await sender.send(place, name, MESSAGE)).fate is Fate.REFUSED
    assert receiver.received == []


async def test_a_secret_that_others_can_read_signs_nothing(
    told: Told, receiver: HookReceiver, tmp_path: Path
) -> None:
    url = f"http://hook.test:{receiver.port}/"
    sender = WebhookSender(told.board(url), clock=SystemClock(), lookup=Names(["127.0.0.1"]))
    (tmp_path / "hook-secret").chmod(0o644)
    outcome = await sender.send(url, "ops", MESSAGE)
    assert outcome.fate is Fate.FAILED
    assert "open to others" in outcome.detail
    secret_file(tmp_path, "whsec_AAAA")
    outcome = await sender.send(url, "ops", MESSAGE)
    assert "holds no webhook's secret" in outcome.detail
    assert "AAAA" not in outcome.detail
    assert receiver.received == []
