"""A client of the admin API of a service elsewhere: HTTPS only, with a token from a file."""

import http.client
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from hsm import privatefile
from server.programs.admin_client import AdminClient
from server.programs.exits import CommandError, Exit
from server.programs.remote_options import Remote

_MAX_TOKEN = 512


def connect(remote: Remote) -> AdminClient:
    """Return a client of the service; CommandError for what cannot be right."""
    parts = urlsplit(remote.url)
    try:
        host, port = parts.hostname, parts.port or 443
    except ValueError:
        host, port = None, 0
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme != "https" or not host or extra:
        raise CommandError(
            f"{remote.url} is not where a service administers: write https://HOST:PORT. A token"
            " is sent over HTTPS only",
            Exit.USAGE,
        )
    return _RemoteClient(host, port, _token(Path(remote.token_file)), _trust(remote.ca))


def _token(file: Path) -> str:
    """Read a token; PrivateFileError when others could read it, too."""
    octets = privatefile.read(
        file,
        _MAX_TOKEN,
        when_absent="Put your token into it, with mode 0600.",
        when_open="ask for a new token: others may have read this one",
    )
    text = octets.decode("ascii", "replace").strip()
    if len(octets) > _MAX_TOKEN or not text.isascii() or not text.isprintable() or not text:
        raise CommandError(f"{file} holds no token: it is one line that begins with kst_")
    return text


def _trust(ca: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ValueError) as error:
        raise CommandError(f"{ca} cannot be used: {error.strerror or error}") from error  # type: ignore[union-attr]
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _RemoteClient(AdminClient):
    """Calls over HTTPS. The token is in no message and no `repr`."""

    def __init__(self, host: str, port: int, token: str, trust: ssl.SSLContext) -> None:
        super().__init__(Path())
        self._host = host
        self._port = port
        self._token = token
        self._trust = trust

    def _connect(self, within_s: float) -> http.client.HTTPConnection:
        connection = http.client.HTTPSConnection(
            self._host, self._port, timeout=within_s, context=self._trust
        )
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            raise CommandError(
                f"the certificate of {self._host}:{self._port} is refused"
                f" ({error.verify_message}). Name its authority with --ca, or the right host",
                Exit.UNREACHABLE,
            ) from error
        except OSError as error:
            raise CommandError(
                f"no service answers at https://{self._host}:{self._port}"
                f" ({error.strerror or error})",
                Exit.UNREACHABLE,
            ) from error
        return connection

    def _credentials(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}
