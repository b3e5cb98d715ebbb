"""A Keystead that is administered over HTTPS, and somebody who does it from afar."""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

from tests.certificates import Authority
from tests.keystead_process import Ended, HttpAnswer, KeysteadProcess


class Door(NamedTuple):
    """The admin door of a running service. ca: the file of its certificate's authority."""

    keystead: KeysteadProcess
    url: str
    ca: Path
    trust: ssl.SSLContext

    def cli(self, token_file: Path, *arguments: str) -> Ended:
        """Run a command from afar: with no data directory at all."""
        remote = ["--url", self.url, "--token-file", str(token_file), "--ca", str(self.ca)]
        return self.keystead.run(*arguments, *remote, data=False)

    def ask(self, token: str, method: str, path: str, value: object = None) -> HttpAnswer:
        """Make one call on the API."""
        request = urllib.request.Request(  # noqa: S310 - our own door
            f"{self.url}/api/v1{path}",
            method=method,
            data=None if value is None else json.dumps(value).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.trust)
        )
        try:
            with opener.open(request, timeout=30) as answer:
                return HttpAnswer(answer.status, dict(answer.headers), answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return HttpAnswer(error.code, dict(error.headers), error.read().decode())


def open_door(keystead: KeysteadProcess, folder: Path, more: str = "", **launch: Any) -> Door:  # noqa: ANN401 - as `launch`
    """Start an initialised service with an admin door. more: of the configuration."""
    authority = Authority()
    files = authority.issue(folder / "tls")
    ca = authority.write(folder / "ca.pem")
    keystead.configure(f'[admin]\ncertificate = "{files.certificate}"\nkey = "{files.key}"\n{more}')
    ready = keystead.start(options=("--admin-listen", "127.0.0.1:0"), **launch)
    return Door(keystead, ready.admin_url, ca, authority.client())


def keep_token(folder: Path, name: str, token: str) -> Path:
    """Write a token to a file as its holder should."""
    file = folder / f"{name}.token"
    file.touch(mode=0o600)
    file.write_text(f"{token}\n")
    return file
