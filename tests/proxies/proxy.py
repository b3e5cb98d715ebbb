"""Reverse proxies as docs/reverse-proxy.md configures them, unprivileged, on ports of their own."""

import contextlib
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from server.tlsfiles import TlsFiles
from tests.system_programs import require_program

GUIDE = Path(__file__).parents[2] / "docs/reverse-proxy.md"
HOST = "otp.example.org"

READY_WITHIN_S = 30.0
STOP_WITHIN_S = 10.0


class Proxy(NamedTuple):
    """A running proxy. said: everything that it has written so far."""

    port: int
    folder: Path

    def said(self) -> str:
        """Return everything it wrote: its output, and every log it may have made."""
        files = [file for file in self.folder.rglob("*") if file.suffix in {".log", ".out"}]
        assert files
        return "".join(file.read_text(errors="replace") for file in files)


def guide(language: str, changes: Mapping[str, str]) -> str:
    """Return the guide's configuration with `changes`, each of which must be found in it once."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    for before, after in changes.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return str(text)


_NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/main.log info;
events {{ }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    access_log {folder}/access.log;
    {guide}
}}
"""


@contextlib.contextmanager
def nginx(behind: int, files: TlsFiles) -> Iterator[Proxy]:
    """Run nginx in front of Keystead's port."""
    program = require_program("nginx", package="nginx")
    with _folder(files) as (folder, copied):
        port = _free_port()
        configured = guide(
            "nginx",
            {
                "server 127.0.0.1:8080": f"server 127.0.0.1:{behind}",
                "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
                "/etc/ssl/otp.example.org/fullchain.pem": str(copied.certificate),
                "/etc/ssl/otp.example.org/privkey.pem": str(copied.key),
                "/var/log/nginx/": f"{folder}/",
            },
        )
        configuration = folder / "nginx.conf"
        configuration.write_text(_NGINX.format(folder=folder, guide=configured))
        command = [program, "-p", str(folder), "-e", "stderr", "-c", str(configuration)]
        with _running(command, folder, port):
            yield Proxy(port, folder)


@contextlib.contextmanager
def caddy(behind: int, files: TlsFiles) -> Iterator[Proxy]:
    """Run Caddy in front of Keystead's port, with a certificate of ours instead of its own."""
    program = require_program("caddy", package="caddy")
    with _folder(files) as (folder, copied):
        port = _free_port()
        configured = guide(
            "caddy",
            {
                "{\n    log {": "{\n    admin off\n    auto_https off\n    log {",
                "otp.example.org {": f"https://otp.example.org:{port} {{\n    bind 127.0.0.1\n"
                f"    tls {copied.certificate} {copied.key}",
                "reverse_proxy 127.0.0.1:8080": f"reverse_proxy 127.0.0.1:{behind}",
            },
        )
        configuration = folder / "Caddyfile"
        configuration.write_text(configured)
        command = [program, "run", "--config", str(configuration), "--adapter", "caddyfile"]
        with _running(command, folder, port):
            yield Proxy(port, folder)


@contextlib.contextmanager
def _folder(files: TlsFiles) -> Iterator[tuple[Path, TlsFiles]]:
    """Yield a folder that belongs to whoever will run, with a copy of the certificate."""
    with tempfile.TemporaryDirectory(prefix="keystead-proxy-") as name:
        folder = Path(name)
        copied = TlsFiles(folder / "fullchain.pem", folder / "privkey.pem")
        for file, copy in zip(files.all, copied.all, strict=True):
            shutil.copy(file, copy)
        yield folder, copied


@contextlib.contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    user = "nobody" if os.geteuid() == 0 else None
    if user is not None:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, user)
    output = folder / "program.out"
    with output.open("wb") as out:
        program = subprocess.Popen(
            command,
            cwd=folder,
            env={"PATH": os.defpath, "HOME": str(folder), "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else [],
        )
    with program:
        try:
            give_up = time.monotonic() + READY_WITHIN_S
            while not _accepts(port):
                assert program.poll() is None, f"it ended:\n{output.read_text()}"
                assert time.monotonic() < give_up, f"it does not accept:\n{output.read_text()}"
                time.sleep(0.05)
            yield
        finally:
            program.terminate()
            program.wait(STOP_WITHIN_S)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
