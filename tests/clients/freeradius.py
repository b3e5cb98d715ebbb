"""FreeRADIUS with rlm_yubikey, asked by radclient: what a VPN gateway or a switch sees."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.clients.client import Answer
from tests.clients.program import LONGEST_S, run
from tests.system_programs import require_file, require_program

_SECRET = "testing123"
_READY = "Ready to process requests"

_CONFIGURATION = """
libdir = /usr/lib/freeradius
raddbdir = {folder}
logdir = {folder}
run_dir = {folder}
log {{
    destination = stdout
}}
security {{
    reject_delay = 0
}}
thread pool {{
    start_servers = 1
    max_servers = 2
    min_spare_servers = 1
    max_spare_servers = 2
}}
client gateway {{
    ipaddr = 127.0.0.1
    secret = {secret}
}}
modules {{
    yubikey {{
        validate = yes
        decrypt = no
        validation {{
            servers {{
                uri = '{url}/wsapi/2.0/verify?id=%d&otp=%s'
            }}
            client_id = {client_id}
            api_key = '{api_key}'
            pool {{
                start = 0
                min = 0
                max = 2
                spare = 1
            }}
        }}
    }}
}}
server default {{
    listen {{
        type = auth
        ipaddr = 127.0.0.1
        port = {port}
    }}
    authorize {{
        yubikey
    }}
    authenticate {{
        yubikey
    }}
}}
"""


class FreeRadius:
    """Starts a server of its own for each question: its Client ID stands in its configuration."""

    name = "freeradius"

    def verify(self, url: str, client_id: int, api_key: str, otp: str) -> Answer:
        """Send one Access-Request with the OTP as password; Access-Accept is a yes."""
        radclient = require_program("radclient", package="freeradius-utils")
        require_file("/usr/lib/freeradius/rlm_yubikey.so", package="freeradius-yubikey")
        with _serving(url, client_id, api_key) as port:
            ended = run(
                [radclient, "-r", "1", "-t", "10", f"127.0.0.1:{port}", "auth", _SECRET],
                typed=f"User-Name=mallory,User-Password={otp}\n",
            )
        return Answer("Received Access-Accept" in ended.stdout, ended.stdout)


@contextlib.contextmanager
def _serving(url: str, client_id: int, api_key: str) -> Iterator[int]:
    """Run FreeRADIUS in the foreground, yield its port, stop it by its own pid."""
    program = require_program("freeradius", package="freeradius")
    with tempfile.TemporaryDirectory(prefix="keystead-radius-") as folder:
        port = _free_udp_port()
        configuration = Path(folder, "radiusd.conf")
        configuration.write_text(
            _CONFIGURATION.format(
                folder=folder,
                secret=_SECRET,
                url=url,
                client_id=client_id,
                api_key=api_key,
                port=port,
            )
        )
        Path(folder, "dictionary").touch()
        user = _unprivileged_user()
        if user is not None:
            for path in (Path(folder), configuration, Path(folder, "dictionary")):
                shutil.chown(path, user)
        server = subprocess.Popen(
            [program, "-f", "-l", "stdout", "-d", folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else [],
        )
        with server:
            try:
                _await_ready(server)
                yield port
            finally:
                server.terminate()
                server.communicate(timeout=LONGEST_S)


def _await_ready(server: subprocess.Popen[str]) -> None:
    assert server.stdout is not None
    printed = []
    for line in server.stdout:
        printed.append(line)
        if _READY in line:
            return
    raise AssertionError("FreeRADIUS ended before it was ready:\n" + "".join(printed))


def _unprivileged_user() -> str | None:
    """Return whom to run as when the tests run as root; None: as whoever runs them."""
    return "nobody" if os.geteuid() == 0 else None


def _free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
