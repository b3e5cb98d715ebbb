"""`keystead import` and `keystead export` as people use them, on a running service."""

import contextlib
import os
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.keystead_process import Ended, KeysteadProcess
from tests.server.moving_files import (
    ReferenceClient,
    ReferenceKey,
    client_file,
    counter_file,
    key_file,
)
from tests.system_programs import require_program


class Files:
    """Three files in a directory, and the options that name them."""

    def __init__(self, directory: Path, keys: Sequence[ReferenceKey]) -> None:
        self.directory = directory
        self.keys = keys
        self.clients = [ReferenceClient.new(at) for at in range(101, 104)]
        self.write("keys", key_file(keys))
        self.write("counters", counter_file(keys))
        self.write("clients", client_file(self.clients))

    def path(self, name: str) -> Path:
        return self.directory / f"{name}.csv"

    def write(self, name: str, text: str) -> None:
        self.path(name).write_text(text)

    def options(self, *names: str) -> list[str]:
        found: list[str] = []
        for name in names or ("keys", "clients", "counters"):
            found += [f"--{name}", str(self.path(name))]
        return found


@pytest.fixture
def files(tmp_path: Path) -> Files:
    directory = tmp_path / "files"
    directory.mkdir()
    return Files(directory, [ReferenceKey() for _ in range(300)])


@pytest.fixture
def served(keystead: KeysteadProcess) -> KeysteadProcess:
    keystead.init("--sandbox")
    keystead.start()
    return keystead


def key_count(keystead: KeysteadProcess) -> int:
    return len(keystead.cli("key", "list")["keys"])


def test_an_import_while_serving_is_effective_at_once(
    served: KeysteadProcess, files: Files
) -> None:
    dry = served.cli("import", *files.options(), "--dry-run")
    assert (dry["dry_run"], dry["imported"]) == (True, False)
    assert dry["files"]["keys"] == {"new": 300, "changed": 0, "unchanged": 0}
    assert dry["files"]["clients"] == {"new": 3, "changed": 0, "unchanged": 0}
    assert key_count(served) == 1, "the sandbox's"
    done = served.cli("import", *files.options())
    assert (done["dry_run"], done["imported"], done["errors"]) == (False, True, [])
    key, client = files.keys[17], files.clients[0].client_id
    assert served.verify(client, key.last_otp()).status == "REPLAYED_OTP"
    assert served.verify(client, key.next_otp()).status == "OK"
    assert served.verify(client, key.next_otp()).status == "REPLAYED_OTP"
    assert served.cli("client", "add", "one more")["id"] > files.clients[-1].client_id


def test_a_command_without_a_service_imports_too(keystead: KeysteadProcess, files: Files) -> None:
    keystead.init()
    ended = keystead.run("import", *files.options())
    assert (ended.code, ended.out.splitlines()[-1]) == (0, "Imported.")
    assert key_count(keystead) == 300


def test_s15_errors_name_file_and_line_and_hold_no_secret(
    served: KeysteadProcess, files: Files
) -> None:
    secret = files.keys[5].aes_key.hex()
    files.write("keys", key_file(files.keys) + f"7,nothex!,{secret}\n")
    files.write("counters", "x\n" * 500)
    ended = served.run("import", *files.options(), "--json")
    assert ended.code == 1
    assert f"{files.path('keys')}:303: " in ended.err
    assert f"{files.path('counters')}:1: " in ended.err
    assert ended.value["errors_total"] == 501
    assert len(ended.value["errors"]) == 100
    assert ended.value["imported"] is False
    assert secret not in ended.err + ended.out
    assert secret not in served.log_text()
    assert key_count(served) == 1


def test_a_million_good_lines_do_not_make_up_for_a_bad_one(
    served: KeysteadProcess, files: Files
) -> None:
    """Here it is ten thousand: what matters is that the bad one comes last."""
    lines = [ReferenceKey().key_line for _ in range(10_000)]
    files.write("keys", "".join(lines) + lines[0])
    ended = served.run("import", *files.options("keys"), "--json")
    assert ended.code == 1
    assert [error["line"] for error in ended.value["errors"]] == [10_001]
    assert key_count(served) == 1
    assert list((served.directory / "imports").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("keys", "x" * 300_000, "longer than"),
        ("keys", "\x00" * 10, "columns|fields"),
    ],
)
def test_a_file_of_another_kind_is_refused_in_words(
    served: KeysteadProcess, files: Files, name: str, text: str, said: str
) -> None:
    files.write(name, text)
    ended = served.run("import", *files.options(name))
    assert ended.code == 1
    assert any(word in ended.err for word in said.split("|"))
    assert "Traceback" not in ended.err


def test_files_that_are_not_there_or_not_named_are_refused(
    served: KeysteadProcess, tmp_path: Path
) -> None:
    assert served.run("import").code == 2
    ended = served.run("import", "--keys", str(tmp_path / "nothing"))
    assert ended.code == 1
    assert "nothing" in ended.err
    assert "Traceback" not in ended.err


class Keyring:
    """A GnuPG home of this test's own, with one key to encrypt to."""

    def __init__(self, gpg: str) -> None:
        self._gpg = gpg
        # Its agent's socket lies there, whose path has to be short.
        self.home = Path(tempfile.mkdtemp(prefix="gpg-"))
        self._run("--quick-generate-key", "keystead@example.org", "default", "default", "never")

    def encrypt(self, path: Path, *options: str) -> bytes:
        return self._run(
            "--trust-model", "always", "--output", "-", "--recipient", "keystead@example.org",
            *options, "--encrypt", str(path),
        )  # fmt: skip

    def remove(self) -> None:
        environment = {**os.environ, "GNUPGHOME": str(self.home)}
        subprocess.run(
            ["gpgconf", "--kill", "gpg-agent"], env=environment, check=False, capture_output=True
        )
        shutil.rmtree(self.home, ignore_errors=True)

    def _run(self, *arguments: str) -> bytes:
        ended = subprocess.run(
            [
                self._gpg, "--homedir", str(self.home), "--batch", "--pinentry-mode", "loopback",
                "--passphrase", "", *arguments,
            ],
            check=True,
            capture_output=True,
        )  # fmt: skip
        return ended.stdout


@pytest.fixture
def keyring() -> Iterator[Keyring]:
    made = Keyring(require_program("gpg", package="gpg"))
    yield made
    made.remove()


@pytest.mark.parametrize("armour", [True, False])
def test_an_encrypted_key_file_is_read_through_a_pipe(
    keystead: KeysteadProcess, files: Files, keyring: Keyring, *, armour: bool
) -> None:
    keystead.environment["GNUPGHOME"] = str(keyring.home)
    keystead.init()
    octets = keyring.encrypt(files.path("keys"), *(["--armor"] if armour else []))
    files.path("keys").write_bytes(octets)
    done = keystead.cli("import", *files.options("keys"))
    assert done["files"]["keys"]["new"] == 300
    secret = files.keys[3].aes_key.hex().encode()
    for path in keystead.directory.rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes()


@pytest.mark.parametrize("cut", [True, False])
def test_an_encrypted_file_that_was_cut_short_or_altered_imports_nothing(
    keystead: KeysteadProcess, files: Files, keyring: Keyring, *, cut: bool
) -> None:
    keystead.environment["GNUPGHOME"] = str(keyring.home)
    keystead.init()
    octets = bytearray(keyring.encrypt(files.path("keys"), "--compress-algo", "none"))
    if cut:
        del octets[-500:]
    else:
        octets[-3] ^= 1
    files.path("keys").write_bytes(octets)
    ended: Ended = keystead.run("import", *files.options("keys"))
    assert ended.code != 0
    assert "gpg" in ended.err
    assert key_count(keystead) == 0


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_pipe_is_read_whole_or_refused(
    keystead: KeysteadProcess, files: Files, keyring: Keyring, *, encrypted: bool
) -> None:
    """As `--keys <(...)` gives it: what was looked at is not there a second time."""
    keystead.init()
    octets = keyring.encrypt(files.path("keys")) if encrypted else files.path("keys").read_bytes()
    pipe = files.directory / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as writer:
        writer.submit(write_until_closed, pipe, octets)
        ended = keystead.run("import", "--keys", str(pipe), "--json")
    if encrypted:
        assert ended.code == 1
        assert "is a pipe with something encrypted" in ended.err
    else:
        assert ended.value["files"]["keys"]["new"] == 300
    assert key_count(keystead) == (0 if encrypted else 300)


def write_until_closed(pipe: Path, octets: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):
        pipe.write_bytes(octets)


@pytest.mark.parametrize("what", ["line", "lines"])
def test_a_bomb_is_refused_before_it_has_burst(
    keystead: KeysteadProcess, files: Files, keyring: Keyring, what: str
) -> None:
    """A few hundred kilobytes that become as much as a file may not have."""
    keystead.environment["GNUPGHOME"] = str(keyring.home)
    keystead.init()
    bomb = files.directory / "bomb"
    with bomb.open("wb") as stream:
        for _ in range(40):
            stream.write((b"x" if what == "line" else b"\n") * (1 << 18))
    files.path("keys").write_bytes(keyring.encrypt(bomb, "--compress-algo", "zlib"))
    bomb.unlink()
    assert files.path("keys").stat().st_size < 1 << 18
    ended = keystead.run("import", *files.options("keys"), "--json")
    assert ended.code == 1
    assert ("line longer than" if what == "line" else "at most 5,000,000 lines") in ended.err
    assert "Traceback" not in ended.err
    assert key_count(keystead) == 0


def test_exports_are_private_overwrite_nothing_and_read_back(
    served: KeysteadProcess, files: Files, tmp_path: Path
) -> None:
    served.cli("import", *files.options())
    out = Files(files.directory, files.keys)
    out.directory = tmp_path / "out"
    out.directory.mkdir()
    refused = served.run("export", *out.options())
    assert refused.code == 1
    assert "--with-secrets" in refused.err
    assert list(out.directory.iterdir()) == []
    written = served.cli("export", *out.options(), "--with-secrets")
    assert written["lines"] == {"clients": 4, "keys": 301, "counters": 301}
    for path in out.directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = served.run("export", *out.options(), "--with-secrets")
    assert again.code == 1
    assert "exists already" in again.err
    with KeysteadProcess(tmp_path / "other") as other:
        other.init()
        other.cli("import", *out.options())
        other.start()
        key, client = files.keys[40], files.clients[1].client_id
        assert other.verify(client, key.last_otp()).status == "REPLAYED_OTP"
        assert other.verify(client, key.next_otp()).status == "OK"


def waiting_import(keystead: KeysteadProcess, files: Files) -> tuple[subprocess.Popen[bytes], Path]:
    """Start an import whose last file is a pipe that nobody closes; return both."""
    pipe = files.directory / f"pipe-{secrets.token_hex(4)}"
    os.mkfifo(pipe)
    command = keystead.command("import", *files.options("keys"), "--counters", str(pipe))
    process = subprocess.Popen(command, env=keystead.environment, stderr=subprocess.DEVNULL)
    keystead.wait_until(lambda: list((keystead.directory / "imports").glob("import-*")))
    return process, pipe


def test_a_killed_command_leaves_nothing(served: KeysteadProcess, files: Files) -> None:
    process, _ = waiting_import(served, files)
    process.send_signal(signal.SIGKILL)
    process.wait()
    served.wait_until(lambda: not list((served.directory / "imports").glob("import-*")))
    assert key_count(served) == 1
    assert served.verify(served.sandbox["id"], served.otp()).status == "OK"
    assert served.cli("import", *files.options())["imported"]


def test_a_killed_service_leaves_nothing_that_its_successor_keeps(
    served: KeysteadProcess, files: Files
) -> None:
    process, _ = waiting_import(served, files)
    served.kill()
    process.kill()
    process.wait()
    assert list((served.directory / "imports").glob("import-*")), "left behind"
    served.start()
    assert not list((served.directory / "imports").glob("import-*"))
    assert key_count(served) == 1
    assert served.cli("import", *files.options())["imported"]
