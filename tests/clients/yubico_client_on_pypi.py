"""PyPI's yubico-client: raw `=` and `/` in `h`, keep-alive, an exception for every refusal."""

import sys

from tests.clients.client import Answer
from tests.clients.program import run

# A process of its own: the client starts threads and reads proxies from the environment.
_SCRIPT = """
import sys
from yubico_client import Yubico
url, client_id, api_key, otp = sys.argv[1:]
print("accepted:", Yubico(client_id, api_key, api_urls=(url,)).verify(otp) is True)
"""


class YubicoClientOnPyPI:
    """`Yubico.verify` returns True for OK and raises for the rest."""

    name = "yubico-client"

    def verify(self, url: str, client_id: int, api_key: str, otp: str) -> Answer:
        """Ask with one URL."""
        endpoint = f"{url}/wsapi/2.0/verify"
        ended = run([sys.executable, "-c", _SCRIPT, endpoint, str(client_id), api_key, otp])
        return Answer(ended.returncode == 0 and "accepted: True" in ended.stdout, ended.stdout)
