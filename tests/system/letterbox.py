"""A letterbox on loopback: an SMTP server in a thread, and the letters that came."""

import email
import email.policy
from types import TracebackType
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.system.loopback import free_port


class Letterbox:
    """Takes every letter."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, str, str]] = []
        """(recipient, subject, text), in the order in which they came."""
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._controller.stop()

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        octets = envelope.content
        assert isinstance(octets, bytes)
        letter = email.message_from_bytes(octets, policy=email.policy.default)
        self.letters.append((envelope.rcpt_tos[0], letter["Subject"], letter.get_content()))
        return "250 taken"

    def to(self, recipient: str) -> list[tuple[str, str]]:
        """Return (subject, text) of what somebody got."""
        return [(subject, text) for who, subject, text in self.letters if who == recipient]
