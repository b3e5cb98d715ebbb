"""PyPI's yubico-client: raw `=` and `/` in `h`, keep-alive, an exception for every refusal."""

import sys
from pathlib import Path

from tests.clients.client import Answer
from tests.clients.program import run

# A process of its own: the client starts threads and reads proxies from the environment.
_SCRIPT = """
import sys
from yubico_client import Yubico
url, client_id, api_key, otp, *authority = sys.argv[1:]
trust = {"ca_certs_bundle_path": authority[0]} if authority else {}
print("accepted:", Yubico(client_id, api_key, api_urls=(url,), **trust).verify(otp) is True)
"""


class YubicoClientOnPyPI:
    """`Yubico.verify` returns True for OK and raises for the rest.

    authority: the certificate of who signed the service's, for https.
    """

    name = "yubico-client"

    def __init__(self, authority: Path | None = None) -> None:
        self._authority = authority

    def verify(self, url: str, client_id: int, api_key: str, otp: str) -> Answer:
        """Ask with one URL."""
        endpoint = f"{url}/wsapi/2.0/verify"
        asked = [endpoint, str(client_id), api_key, otp]
        if self._authority is not None:
            asked.append(str(self._authority))
        ended = run([sys.executable, "-c", _SCRIPT, *asked])
        return Answer(ended.returncode == 0 and "accepted: True" in ended.stdout, ended.stdout)
