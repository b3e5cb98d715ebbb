"""npm's yub: https only, Yubico's five hosts by name, its own reading of answer and signature."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from tests.clients.client import Answer
from tests.clients.program import run
from tests.system_programs import missing, require_program

HOSTS = ("api.yubico.com", *(f"api{number}.yubico.com" for number in range(2, 6)))
"""Whom yub believes it asks. No name is looked up: `yub/detour.js` connects to our port."""

_PARTS = Path(__file__).with_name("yub")
_INSTALL_WITHIN_S = 120.0


class Yub:
    """`verify` calls back with `valid`, after status, signature and nonce were compared.

    authority: the certificate of who signed the service's; folder: for the installed package.
    """

    name = "yub"

    def __init__(self, authority: Path, folder: Path) -> None:
        self._authority = authority
        self._folder = folder

    def verify(self, url: str, client_id: int, api_key: str, otp: str) -> Answer:
        """Ask in a Node of its own."""
        node = require_program("node", package="nodejs")
        folder = _installed(self._folder)
        ended = run(
            [node, "--require", "./detour.js", "ask.js", str(client_id), api_key, otp],
            folder=folder,
            extra={
                "DETOUR_PORT": str(urlsplit(url).port),
                "NODE_EXTRA_CA_CERTS": str(self._authority),
            },
        )
        return Answer("accepted: true" in ended.stdout.splitlines(), ended.stdout)


@cache
def _installed(folder: Path) -> Path:
    """Install what the lock names, by its hash, and return where; nothing of it is run."""
    npm = require_program("npm", package="npm")
    shutil.copytree(_PARTS, folder, dirs_exist_ok=True)
    ended = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache", folder / "cache"],
        cwd=folder,
        env={**os.environ, "npm_config_update_notifier": "false"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_INSTALL_WITHIN_S,
        check=False,
    )
    if ended.returncode:
        missing(f"npm to install yub ({ended.stdout.strip()[-300:]})", package="npm")
    return folder
