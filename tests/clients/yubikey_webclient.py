"""Perl's Auth::Yubikey_WebClient: a nonce constant within one second, `Connection: TE, close`."""

from tests.clients.client import Answer
from tests.clients.program import run
from tests.system_programs import require_file, require_program

_SCRIPT = """
my ($url, $id, $api, $otp) = @ARGV;
my $client = Auth::Yubikey_WebClient->new({ id => $id, api => $api, url => $url });
print $client->otp($otp), "\\n";
"""


class YubikeyWebClient:
    """`otp` returns "OK" or `ERR_` and the status."""

    name = "auth-yubikey-webclient"

    def verify(self, url: str, client_id: int, api_key: str, otp: str) -> Answer:
        """Ask as the module's own page shows it."""
        perl = require_program("perl", package="perl")
        require_file(
            "/usr/share/perl5/Auth/Yubikey_WebClient.pm", package="libauth-yubikey-webclient-perl"
        )
        endpoint = f"{url}/wsapi/2.0/verify"
        module = "-MAuth::Yubikey_WebClient"
        ended = run([perl, module, "-e", _SCRIPT, endpoint, str(client_id), api_key, otp])
        return Answer(ended.stdout.splitlines()[-1:] == ["OK"], ended.stdout)
