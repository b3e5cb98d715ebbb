"""Perl's Auth::Yubikey_WebClient: a nonce constant within one second, `Connection: TE, close`."""

from pathlib import Path

from tests.clients.client import Answer
from tests.clients.program import run
from tests.system_programs import require_file, require_program

_SCRIPT = """
my ($url, $id, $api, $otp) = @ARGV;
my $client = Auth::Yubikey_WebClient->new({ id => $id, api => $api, url => $url });
print $client->otp($otp), "\\n";
"""


class YubikeyWebClient:
    """`otp` returns "OK" or `ERR_` and the status.

    authority: the certificate of who signed the service's, for https.
    """

    name = "auth-yubikey-webclient"

    def __init__(self, authority: Path | None = None) -> None:
        self._authority = authority

    def verify(self, url: str, client_id: int, api_key: str, otp: str) -> Answer:
        """Ask as the module's own page shows it."""
        perl = require_program("perl", package="perl")
        require_file(
            "/usr/share/perl5/Auth/Yubikey_WebClient.pm", package="libauth-yubikey-webclient-perl"
        )
        endpoint = f"{url}/wsapi/2.0/verify"
        module = "-MAuth::Yubikey_WebClient"
        trust = None
        if self._authority is not None:
            require_file(
                "/usr/share/perl5/LWP/Protocol/https.pm", package="liblwp-protocol-https-perl"
            )
            trust = {"PERL_LWP_SSL_CA_FILE": str(self._authority)}
        asked = [endpoint, str(client_id), api_key, otp]
        ended = run([perl, module, "-e", _SCRIPT, *asked], extra=trust)
        return Answer(ended.stdout.splitlines()[-1:] == ["OK"], ended.stdout)
