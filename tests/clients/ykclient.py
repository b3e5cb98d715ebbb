"""Debian's ykclient, the command line of libykclient: strict about the last line's end."""

from pathlib import Path

from tests.clients.client import Answer
from tests.clients.program import run
from tests.system_programs import require_program


class Ykclient:
    """Exit code 0 for OK, 2 for a replay, 1 and 3 for the rest.

    authority: the certificate of who signed the service's, for https.
    """

    name = "ykclient"

    def __init__(self, authority: Path | None = None) -> None:
        self._authority = authority

    def verify(self, url: str, client_id: int, api_key: str, otp: str) -> Answer:
        """Ask with `timestamp=1`, which ykclient always sends."""
        program = require_program("ykclient", package="libykclient-dev")
        endpoint = f"{url}/wsapi/2.0/verify"
        command = [program, "--debug", "--url", endpoint, "--apikey", api_key]
        if self._authority is not None:
            command += ["--cai", str(self._authority)]
        ended = run([*command, str(client_id), otp])
        return Answer(ended.returncode == 0, ended.stdout)
