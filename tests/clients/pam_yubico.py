"""libpam-yubico, asked by pamtester: what a login on a Linux machine sees.

pam_wrapper reads the service's file from a folder of ours, so neither root nor /etc is needed.
"""

import getpass
import tempfile
from pathlib import Path

from tests.clients.client import Answer
from tests.clients.program import run
from tests.system_programs import require_file, require_program

_SERVICE = "keystead"


class PamYubico:
    """Logs the current user in with an OTP of a key that the map gives to that user.

    authority: the certificate of who signed the service's, for https.
    """

    name = "pam_yubico"

    def __init__(self, authority: Path | None = None) -> None:
        self._authority = authority

    def verify(self, url: str, client_id: int, api_key: str, otp: str) -> Answer:
        """Authenticate once, with a service file made for this question."""
        pamtester = require_program("pamtester", package="pamtester")
        wrapper = require_file("/usr/lib/*/libpam_wrapper.so", package="libpam-wrapper")
        # Its folder differs from one Debian to the next; that of its documentation does not.
        require_file("/usr/share/doc/libpam-yubico", package="libpam-yubico")
        user = getpass.getuser()
        trust = "" if self._authority is None else f" cainfo={self._authority}"
        with tempfile.TemporaryDirectory(prefix="keystead-pam-") as folder:
            # Mapped whoever owns the key: the refusal must come from the service, not the map.
            owners = Path(folder, "owners")
            owners.write_text(f"{user}:{otp[:-32]}\n")
            Path(folder, _SERVICE).write_text(
                f"auth required pam_yubico.so mode=client authfile={owners}"
                f" id={client_id} key={api_key} urllist={url}/wsapi/2.0/verify{trust}\n"
                "account required pam_permit.so\n"
            )
            Path(folder, "other").write_text("auth required pam_deny.so\n")
            ended = run(
                [pamtester, _SERVICE, user, "authenticate"],
                typed=f"{otp}\n",
                extra={
                    "LD_PRELOAD": str(wrapper),
                    "PAM_WRAPPER": "1",
                    "PAM_WRAPPER_SERVICE_DIR": folder,
                },
            )
        return Answer(ended.returncode == 0, ended.stdout)
