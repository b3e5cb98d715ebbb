"""E-mail through a real SMTP server: over TLS or not at all, one recipient, nobody's header."""

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP as SmtpServer  # noqa: N811 - an acronym, not a constant
from aiosmtpd.smtp import Envelope, Session

from server.clock import SystemClock
from server.notices.board_tables import Mail
from server.notices.message import Message
from server.notices.sending import Fate, Outcome
from server.outgoing.mail import MailSender, compose
from tests.certificates import Authority
from tests.server.outgoing.receivers import MailBox, scripted, smtp_server

MESSAGE = Message(
    "d-1", "incident-12", "[Keystead] Störung", "Zeile größer\n.\nlast line\n", {"type": "x"}
)


class Post:
    """Certificates for localhost, and mail settings for a server there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority()
        files = self.authority.issue(folder / "tls", "localhost")
        self.server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.server_side.load_cert_chain(files.certificate, files.key)
        self.ca = self.authority.write(folder / "ca.pem")

    def sender(self, port: int, *, deadline_s: float = 10.0, **more: Any) -> MailSender:  # noqa: ANN401
        values = {"authorities": str(self.ca), "security": "starttls", **more}
        mail = Mail(host="localhost", port=port, sender="Keystead <k@example.org>", **values)
        return MailSender(mail, clock=SystemClock(), deadline_s=deadline_s)

    def password(self, text: str, *, mode: int = 0o600) -> str:
        file = self.folder / "password"
        file.write_text(text)
        file.chmod(mode)
        return str(file)


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Post:
    return Post(tmp_path_factory.mktemp("post"))


async def to_anna(sender: MailSender) -> Outcome:
    return await sender.send("anna@example.org", "anna", MESSAGE)


async def test_a_letter_arrives_as_it_was_written(post: Post) -> None:
    box = MailBox()
    async with smtp_server(box, starttls=post.server_side) as port:
        outcome = await to_anna(post.sender(port))
    assert outcome == Outcome(Fate.DELIVERED, "2.0.0 OK: queued as 4711")
    (letter,) = box.letters
    assert (letter.sender, letter.recipients) == ("k@example.org", ["anna@example.org"])
    assert letter.message["Subject"] == MESSAGE.subject
    assert letter.message["Message-ID"] == "<d-1@example.org>"
    assert letter.message["References"] == "<incident-12@example.org>"
    assert letter.message["Auto-Submitted"] == "auto-generated"
    assert letter.message.get_content().replace("\r\n", "\n") == MESSAGE.text


async def test_over_tls_from_the_start_with_a_password(post: Post) -> None:
    box = MailBox()
    more: dict[str, Any] = {
        "security": "tls",
        "user": "k",
        "password_file": post.password("right\n"),
    }
    async with smtp_server(box, tls=post.server_side) as port:
        outcome = await to_anna(post.sender(port, **more))
    assert outcome.fate is Fate.DELIVERED
    assert box.logins == [("k", "right")]


async def test_a_wrong_password_is_told_without_it(post: Post) -> None:
    box = MailBox()
    more: dict[str, Any] = {"user": "k", "password_file": post.password("canary-4711")}
    async with smtp_server(box, starttls=post.server_side) as port:
        outcome = await to_anna(post.sender(port, **more))
    assert outcome == Outcome(Fate.FAILED, "SMTP 535: user and password are not accepted")
    assert box.letters == []
    post.password("")
    outcome = await to_anna(post.sender(port, **more))
    assert "holds no password" in outcome.detail
    post.password("right", mode=0o644)
    assert "open to others" in (await to_anna(post.sender(port, **more))).detail


async def test_a_server_without_tls_gets_nothing(post: Post) -> None:
    login: dict[str, Any] = {"user": "k", "password_file": post.password("right")}
    for more in ({}, login):
        box = MailBox()
        async with smtp_server(box) as port:
            outcome = await to_anna(post.sender(port, **more))
        assert outcome.fate is Fate.FAILED
        assert (box.letters, box.logins) == ([], [])


async def test_a_certificate_of_somebody_else_is_not_believed(post: Post, tmp_path: Path) -> None:
    stranger = Authority().write(tmp_path / "other.pem")
    for security, server in (
        ("starttls", {"starttls": post.server_side}),
        ("tls", {"tls": post.server_side}),
    ):
        box = MailBox()
        async with smtp_server(box, **server) as port:
            sender = post.sender(port, security=security, authorities=str(stranger))
            outcome = await to_anna(sender)
        assert outcome.fate is Fate.FAILED
        assert box.letters == []


async def test_what_a_server_refuses_for_good_is_not_tried_again(post: Post) -> None:
    box = MailBox()
    async with smtp_server(box, starttls=post.server_side) as port:
        sender = post.sender(port)
        box.recipient_answers = ["550 5.1.1 no such user"]
        assert await to_anna(sender) == Outcome(Fate.REFUSED, "SMTP 550 5.1.1 no such user")
        box.recipient_answers = ["450 4.2.0 greylisted"]
        assert await to_anna(sender) == Outcome(Fate.FAILED, "SMTP 450 4.2.0 greylisted")
        box.data_answers = ["452 4.3.1 disk \x07full"]
        outcome = await to_anna(sender)
        assert (outcome.fate, outcome.detail.isprintable()) == (Fate.FAILED, True)
        assert (await to_anna(sender)).fate is Fate.DELIVERED
    assert len(box.letters) == 1


async def test_nobody_there_is_told(post: Post) -> None:
    async with smtp_server(MailBox(), starttls=post.server_side) as port:
        pass
    outcome = await to_anna(post.sender(port))
    assert outcome.fate is Fate.FAILED


async def test_without_a_server_on_the_board_nothing_is_sent() -> None:
    sender = MailSender(None, clock=SystemClock())
    assert (await to_anna(sender)).fate is Fate.FAILED


@pytest.mark.parametrize(
    "piece", [b"", b"220-hello\r\n", b"x" * 1000], ids=["silent", "endless lines", "endless line"]
)
async def test_a_server_that_never_comes_to_an_end_is_given_up(post: Post, piece: bytes) -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001)

    async with scripted(drip) as port:
        async with asyncio.timeout(30):  # a guard against hanging, no measure
            outcome = await to_anna(post.sender(port, deadline_s=0.4))
    assert outcome.fate is Fate.FAILED


class Clinging(MailBox):
    """Takes letters, and does not let go of who brings them."""

    async def handle_QUIT(  # noqa: N802 - aiosmtpd's name for it
        self, server: SmtpServer, session: Session, envelope: Envelope
    ) -> str:
        del server, session, envelope
        await asyncio.sleep(60)
        return "221 2.0.0 Bye"


async def test_what_was_taken_is_delivered_though_the_server_does_not_let_go(post: Post) -> None:
    box = Clinging()
    async with smtp_server(box, starttls=post.server_side) as port:
        outcome = await to_anna(post.sender(port, deadline_s=3.0))
    assert len(box.letters) == 1
    assert outcome == Outcome(Fate.DELIVERED, "2.0.0 OK: queued as 4711")


async def test_a_server_that_says_nothing_of_a_letter_keeps_nobody_beyond_the_deadline(
    post: Post,
) -> None:
    box = MailBox()
    box.hold()
    async with smtp_server(box, starttls=post.server_side) as port:
        async with asyncio.timeout(30):  # a guard against hanging, no measure
            outcome = await to_anna(post.sender(port, deadline_s=0.5))
        box.let_through()
    assert outcome == Outcome(Fate.FAILED, "not taken within 0.5 s")


def test_no_text_forges_a_header() -> None:
    evil = MESSAGE._replace(subject="a\r\nBcc: eve@example.org\x1b[31m" + "x" * 500)
    letter = compose(evil, "k@example.org", "anna@example.org", datetime.now(UTC))
    assert letter["Bcc"] is None
    assert len(letter["Subject"]) <= 200
    head = letter.as_bytes().partition(b"\r\n\r\n")[0]
    assert b"\r\nBcc" not in head
    assert b"\x1b" not in head


def test_a_letter_that_is_sent_again_is_the_same_letter() -> None:
    now = datetime.now(UTC)
    one, again = (compose(MESSAGE, "k@example.org", "a@example.org", now) for _ in range(2))
    assert one["Message-ID"] == again["Message-ID"]
