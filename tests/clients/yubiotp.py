"""Debian's python3-yubiotp and its `yubiclient`: protocol 1.0, 1.1 and 2.0."""

from tests.clients.client import Answer
from tests.clients.program import run
from tests.system_programs import require_program


class YubiOtp:
    """Prints `OTP: OK (strict)`; under 1.0 and 1.1, which echo nothing to compare, `OTP: OK`."""

    def __init__(self, version: str) -> None:
        self.name = f"yubiotp-{version}"
        self._version = version

    def verify(self, url: str, client_id: int, api_key: str, otp: str) -> Answer:
        """Ask with every option the version knows."""
        program = require_program("yubiclient", package="python3-yubiotp")
        modern = self._version == "2.0"
        command = [program, "-V", self._version, "-i", str(client_id), "-k", api_key]
        command += ["-u", f"{url}/wsapi/2.0/verify" if modern else f"{url}/wsapi/verify"]
        if self._version != "1.0":
            command += ["--timestamp"]
        if modern:
            command += ["--sl", "100", "--timeout", "5"]
        ended = run([*command, otp])
        wanted = f"{otp}: OK (strict)" if modern else f"{otp}: OK"
        return Answer(wanted in ended.stdout.splitlines(), ended.stdout)
