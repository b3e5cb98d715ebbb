"""Sends e-mail: one recipient each, over TLS, through the SMTP server that the board names."""

import asyncio
import socket
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_LINES
from email.utils import format_datetime
from pathlib import Path

import aiosmtplib

from hsm import privatefile
from hsm.privatefile import PrivateFileError
from server.clock import Clock
from server.notices.board_tables import Mail
from server.notices.message import Message, one_line
from server.notices.sending import Fate, Outcome

DEADLINE_S = 30.0
"""For everything, from the name to the server's word that it has the message."""

_LEAVE_S = 1.0
"""For a good-bye, which changes nothing any more."""

_PASSWORD_OCTETS = 1024
_SAID = 120
_FOR_GOOD = 500
_US = 1_000_000


class MailSender:
    """Keeps `server.notices.sending.Sender` for e-mail."""

    def __init__(self, mail: Mail | None, *, clock: Clock, deadline_s: float = DEADLINE_S) -> None:
        self._mail = mail
        self._clock = clock
        self._deadline_s = deadline_s

    async def send(self, place: str, name: str, message: Message) -> Outcome:  # noqa: ARG002 - of the seam
        """Hand a message to the SMTP server once."""
        mail = self._mail
        if mail is None:
            return Outcome(Fate.FAILED, "the notice board has no table [mail]")
        try:
            password = None if mail.password_file is None else _password(Path(mail.password_file))
            tls = ssl.create_default_context(cafile=mail.authorities)
        except (PrivateFileError, OSError) as error:
            return Outcome(Fate.FAILED, str(error))
        now = datetime.fromtimestamp(self._clock.now_us() / _US, UTC)
        letter = compose(message, mail.sender, place, now)
        client = _client(mail, password, tls)
        try:
            async with asyncio.timeout(self._deadline_s):
                await client.connect()
                _, said = await client.send_message(letter)
        except TimeoutError:
            # Without a word: whoever says nothing may say nothing to that either, for long.
            client.close()
            return Outcome(Fate.FAILED, f"not taken within {self._deadline_s:g} s")
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            await _part_from(client)
            return _judged(error)
        except BaseException:
            client.close()
            raise
        # It has the letter, whatever comes now: sent again it would be there twice.
        await _part_from(client)
        return Outcome(Fate.DELIVERED, _shown(said))


def _client(mail: Mail, password: str | None, tls: ssl.SSLContext) -> aiosmtplib.SMTP:
    return aiosmtplib.SMTP(
        hostname=mail.host,
        port=mail.port,
        username=mail.user,
        password=password,
        use_tls=mail.security == "tls",
        # Said outright: a server that offers no TLS is refused, not spoken to without.
        start_tls=mail.security == "starttls",
        tls_context=None if mail.security == "none" else tls,
        local_hostname=socket.gethostname(),
    )


async def _part_from(client: aiosmtplib.SMTP) -> None:
    """Take leave, as servers like it, of one that may not let go."""
    try:
        async with asyncio.timeout(_LEAVE_S):
            if client.is_connected:
                await client.quit()
    except (aiosmtplib.SMTPException, OSError):
        pass
    finally:
        client.close()


def compose(message: Message, sender: str, recipient: str, now: datetime) -> EmailMessage:
    """Return a letter. Sent again it has the same id, so that a mailbox may show it once."""
    domain = sender.rpartition("@")[2].removesuffix(">")
    letter = EmailMessage(policy=SMTP_LINES)
    letter["From"] = sender
    letter["To"] = recipient
    letter["Subject"] = one_line(message.subject)
    letter["Date"] = format_datetime(now)
    letter["Message-ID"] = f"<{message.message_id}@{domain}>"
    letter["References"] = f"<{message.thread}@{domain}>"
    letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence answers it
    letter["X-Auto-Response-Suppress"] = "All"
    letter.set_content(message.text, cte="quoted-printable")
    return letter


def _password(file: Path) -> str:
    octets = privatefile.read(
        file,
        _PASSWORD_OCTETS,
        when_absent="Put the SMTP server's password there, mode 0600.",
        when_open="give the SMTP server another password",
    )
    try:
        password = octets.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        password = ""
    if not password or len(octets) > _PASSWORD_OCTETS:
        raise PrivateFileError(f"{file} holds no password: one line of text")
    return password


def _judged(error: Exception) -> Outcome:
    """Return what a failure says of the attempt, in words that hold nothing of the message."""
    match error:
        case aiosmtplib.SMTPRecipientsRefused() if error.recipients:
            first = error.recipients[0]
            fate = Fate.REFUSED if first.code >= _FOR_GOOD else Fate.FAILED
            return Outcome(fate, f"SMTP {first.code} {_shown(first.message)}")
        case aiosmtplib.SMTPAuthenticationError():
            return Outcome(Fate.FAILED, f"SMTP {error.code}: user and password are not accepted")
        case aiosmtplib.SMTPResponseException():
            return Outcome(Fate.FAILED, f"SMTP {error.code} {_shown(error.message)}")
        case ssl.SSLError():
            return Outcome(Fate.FAILED, "TLS with the SMTP server failed")
        case aiosmtplib.SMTPException():
            return Outcome(Fate.FAILED, f"the SMTP server: {type(error).__name__}")
        case _:
            return Outcome(Fate.FAILED, f"the SMTP server cannot be reached ({_kind(error)})")


def _kind(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or type(error).__name__


def _shown(said: str) -> str:
    """Return a server's words as one line of ASCII: they go to logs, lists and terminals."""
    plain = said.encode("ascii", "replace").decode()
    return one_line(plain, _SAID).encode("ascii", "replace").decode()
