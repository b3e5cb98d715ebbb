"""An SMTP server and a webhook's receiver in a thread, for a service in processes of its own."""

import asyncio
import contextlib
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.certificates import Authority
from tests.server.outgoing.receivers import HookReceiver, MailBox, smtp_server

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

BOARD = """\
link = "{link}"
internal_hosts = ["127.0.0.1"]

[mail]
host = "localhost"
port = {smtp_port}
sender = "Keystead <keystead@example.org>"
authorities = "{authorities}"

[[person]]
name = "anna"
email = "anna@example.org"

[[person]]
name = "bo"
email = "bo@example.org"

[rota]
zone = "Europe/Stockholm"
first = 2026-11-02
hand_over = 09:00:00
turns = ["{on_call}"]

[[subscriber]]
name = "ops"
webhook = "http://127.0.0.1:{hook_port}/ops"
secret_file = "{secret_file}"
"""


class Post:
    """Serves until its context is left. folder: for the authority's file and the board's."""

    def __init__(self, folder: Path) -> None:
        self.box = MailBox()
        self.hooks = HookReceiver()
        self.board_file = folder / "notices.toml"
        self._folder = folder
        self._authority = Authority()
        self._smtp_port = 0
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        self._loop.close()

    def write_board(self, link: str, on_call: str) -> None:
        """Write the notice board's file, as an operator does."""
        secret = self._folder / "hook-secret"
        if not secret.exists():
            secret.touch(0o600)
            secret.write_text(SECRET)
        text = BOARD.format(
            link=link,
            on_call=on_call,
            smtp_port=self._smtp_port,
            hook_port=self.hooks.port,
            authorities=self._authority.write(self._folder / "ca.pem"),
            secret_file=secret,
        )
        fresh = self.board_file.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.board_file)

    def letters(self, to: str) -> list[str]:
        """Return the texts of the letters that somebody got."""
        return [
            letter.message.get_content()
            for letter in list(self.box.letters)
            if letter.recipients == [to]
        ]

    def let_letters_through(self) -> None:
        """End a hold of the mailbox."""
        self._loop.call_soon_threadsafe(self.box.let_through)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        files = self._authority.issue(self._folder / "tls", "localhost")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(files.certificate, files.key)
        await self.hooks.open()
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self.hooks.close)
            self._smtp_port = await stack.enter_async_context(
                smtp_server(self.box, starttls=context)
            )
            self._ready.set()
            await self._stop.wait()
