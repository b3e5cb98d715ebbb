"""Clients in C that know nothing of yubikit: Yubico's PIV tool, and GnuPG's card daemon."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from tests.pcsc_daemon import PcscDaemon
from tests.system_programs import require_file, require_program
from tests.virtual_yubikey.identity import Identity, yubikey_4, yubikey_5_nfc, yubikey_5c_nfc
from tests.virtual_yubikey.openpgp_state import DECRYPTION, TouchRule
from tests.virtual_yubikey.piv_keys import KeyType, PinPolicy
from tests.virtual_yubikey.yubikey import VirtualYubiKey

LINES = [yubikey_4(4123456), yubikey_5_nfc(16234567), yubikey_5c_nfc(31234567)]


def piv_tool(daemon: PcscDaemon, *words: str) -> "subprocess.CompletedProcess[str]":
    program = require_program("yubico-piv-tool", package="yubico-piv-tool")
    return subprocess.run(
        [program, "--reader", daemon.reader(), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextlib.contextmanager
def gpg_home(daemon: PcscDaemon) -> Iterator[Path]:
    """Make a home whose card daemon looks into one reader, and end what was started for it."""
    require_file("/usr/lib/gnupg*/scdaemon", package="scdaemon")
    gpgconf = require_program("gpgconf", package="gpg")
    with tempfile.TemporaryDirectory(prefix="g", ignore_cleanup_errors=True) as home:
        settings = f'disable-ccid\nreader-port "{daemon.reader()}"\n'
        (Path(home) / "scdaemon.conf").write_text(settings)
        try:
            yield Path(home)
        finally:
            stop = [gpgconf, "--homedir", home, "--kill", "all"]
            subprocess.run(stop, check=True, timeout=60, capture_output=True)


@pytest.mark.parametrize("identity", LINES, ids=lambda identity: str(identity.firmware))
def test_yubicos_piv_tool_reads_version_serial_and_tries(
    daemon: PcscDaemon, identity: Identity
) -> None:
    key = VirtualYubiKey(identity)
    key.piv.state.pin.left = 2
    key.piv.put_key(0x9E, KeyType.ECCP256, PinPolicy.NEVER)
    with daemon.insert(key):
        said = piv_tool(daemon, "--action=status").stdout
        attested = piv_tool(daemon, "--action=attest", "--slot=9e").stdout
    assert f"Version:\t{identity.firmware}\n" in said
    assert "PIN tries left:\t2\n" in said
    if identity.firmware >= (5, 0):
        assert f"Serial Number:\t{identity.serial}\n" in said
    certificate = x509.load_pem_x509_certificate(attested.encode())
    certificate.verify_directly_issued_by(key.piv.signer.certificate)


def test_yubicos_piv_tool_is_let_in_by_the_right_pin_and_key_only(daemon: PcscDaemon) -> None:
    key = VirtualYubiKey(yubikey_5_nfc(16234567))
    generate = ("--action=generate", "--slot=9a", "--algorithm=ECCP256")
    with daemon.insert(key):
        assert piv_tool(daemon, "--action=verify-pin", "--pin=000000").returncode
        assert key.piv.state.pin.left == 2
        assert not piv_tool(daemon, "--action=verify-pin", "--pin=123456").returncode
        assert key.piv.state.pin.left == 3
        assert piv_tool(daemon, *generate, f"--key={'00' * 24}").returncode
        assert not key.piv.state.keys
        assert "BEGIN PUBLIC KEY" in piv_tool(daemon, *generate).stdout
    assert key.piv.state.keys[0x9A].generated


@pytest.mark.parametrize("identity", LINES, ids=lambda identity: str(identity.firmware))
def test_gnupg_reads_serial_tries_and_touch(daemon: PcscDaemon, identity: Identity) -> None:
    gpg = require_program("gpg", package="gpg")
    key = VirtualYubiKey(identity)
    key.openpgp.state.user.left = 2
    key.openpgp.state.admin.left = 1
    key.openpgp.state.touch[DECRYPTION] = TouchRule.ON
    with daemon.insert(key), gpg_home(daemon) as home:
        said = subprocess.run(
            [gpg, "--homedir", home, "--card-status", "--with-colons"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.splitlines()
    assert f"serial:{identity.serial:08}:" in said
    assert f"version:{'0304' if identity.firmware >= (5, 2) else '0201'}:" in said
    assert "pinretry:2:0:1:" in said
    assert "vendor:0006:Yubico:" in said
