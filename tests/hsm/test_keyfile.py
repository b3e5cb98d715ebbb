"""The key file: made once, for its owner alone, and refused when anything is odd about it."""

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm import keyfile
from hsm.keyfile import KeyFileError, SealingKey

KEY = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sealing.key"


def test_what_was_made_is_loaded(path: Path) -> None:
    made = keyfile.create(path)
    assert keyfile.load(path) == made
    assert len(made.key) == 32
    assert len(made.key_id) == 4


def test_two_key_files_hold_two_keys(tmp_path: Path) -> None:
    assert keyfile.create(tmp_path / "one") != keyfile.create(tmp_path / "two")


def test_its_format_stays(path: Path) -> None:
    keyfile.create(path, randomness=lambda octets: KEY[:octets])
    assert path.read_text() == f"keystead-sealing-key-v1\nce1fdca6\n{KEY.hex()}\n"


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_it_is_for_its_owner_alone_whatever_the_umask(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        keyfile.create(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_existing_file_is_never_replaced(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(KeyFileError, match="exists already"):
        keyfile.create(path)
    assert path.read_text() == "precious"


@pytest.mark.parametrize("target_exists", [False, True])
def test_a_symbolic_link_is_not_followed_when_making(
    path: Path, tmp_path: Path, *, target_exists: bool
) -> None:
    target = tmp_path / "target"
    if target_exists:
        target.write_text("precious")
    path.symlink_to(target)
    with pytest.raises(KeyFileError, match="exists already"):
        keyfile.create(path)
    assert target.exists() is target_exists


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be made: No such file"):
        keyfile.create(tmp_path / "absent" / "sealing.key")


def test_half_a_file_does_not_stay(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyFileError, match="cannot be made: No space left"):
        keyfile.create(path)
    assert list(path.parent.iterdir()) == []


def test_a_kill_while_it_is_written_is_no_obstacle_to_the_next_attempt(path: Path) -> None:
    program = (
        "import os, pathlib, signal, sys; from hsm import keyfile;"
        " os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL);"
        " keyfile.create(pathlib.Path(sys.argv[1]))"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not path.exists()
    keyfile.create(path)
    keyfile.load(path)
    # Nor does anything stay of what was half written: it may be half a key.
    assert list(path.parent.iterdir()) == [path]


def test_content_and_name_are_both_synced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    sync = os.fsync

    def recording(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)
        sync(handle)

    monkeypatch.setattr(os, "fsync", recording)
    keyfile.create(path)
    assert synced == [path.stat().st_ino, path.parent.stat().st_ino]


def test_an_absent_file_is_explained(path: Path) -> None:
    with pytest.raises(KeyFileError, match="Restore it from its backup"):
        keyfile.load(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o602, 0o644, 0o777])
def test_a_file_open_to_others_is_refused(path: Path, mode: int) -> None:
    keyfile.create(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"mode 0{mode:o}.*chmod 600"):
        keyfile.load(path)


def test_a_file_made_read_only_is_fine(path: Path) -> None:
    made = keyfile.create(path)
    path.chmod(0o400)
    assert keyfile.load(path) == made


def test_another_users_file_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyfile.create(path)
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(KeyFileError, match=f"belongs to user {owner}"):
        keyfile.load(path)


def test_a_symbolic_link_is_refused(path: Path, tmp_path: Path) -> None:
    keyfile.create(tmp_path / "real")
    path.symlink_to(tmp_path / "real")
    with pytest.raises(KeyFileError, match="symbolic link"):
        keyfile.load(path)


def test_a_folder_is_refused(path: Path) -> None:
    path.mkdir(mode=0o700)
    with pytest.raises(KeyFileError, match="not a plain file"):
        keyfile.load(path)


def test_a_pipe_is_refused_without_waiting(path: Path) -> None:
    os.mkfifo(path, 0o600)
    with pytest.raises(KeyFileError, match="not a plain file"):
        keyfile.load(path)


def test_an_unreadable_file_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(handle: int, octets: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO), (handle, octets))

    keyfile.create(path)
    monkeypatch.setattr(os, "read", broken)
    with pytest.raises(KeyFileError, match="cannot be read: Input/output error"):
        keyfile.load(path)


def test_a_path_through_a_file_is_named(path: Path) -> None:
    keyfile.create(path)
    with pytest.raises(KeyFileError, match="cannot be opened: Not a directory"):
        keyfile.load(path / "below")


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda text: text[:0], "first line"),
        (lambda text: "-----BEGIN PRIVATE KEY-----\n" + text, "first line"),
        (lambda text: text.replace("v1", "v2"), "first line"),
        (lambda text: text[:-2], "cut off"),
        (lambda text: text[:-1], "cut off"),
        (lambda text: text + "\n", "altered"),
        (lambda text: text + "x" * 10_000, "altered"),
        (lambda text: text.replace("\n", "\r\n"), "altered"),
        (lambda text: text.replace("1f\n", "1e\n"), "damaged"),
        (lambda text: text.replace("0a0b", "0b0a"), "damaged"),
        (lambda text: text.replace("1f\n", "zz\n"), "altered"),
        (lambda text: text.replace("1f\n", "é\n"), "altered"),
    ],
)
def test_a_damaged_file_is_refused_and_not_shown(
    path: Path, spoil: Callable[[str], str], complaint: str
) -> None:
    keyfile.create(path, randomness=lambda octets: KEY[:octets])
    path.write_text(spoil(path.read_text()), newline="")
    with pytest.raises(KeyFileError, match=complaint) as caught:
        keyfile.load(path)
    assert KEY.hex()[:8] not in str(caught.value)


@given(st.binary(min_size=32, max_size=32))
def test_a_key_survives_the_round_trip(key: bytes) -> None:
    sealing_key = SealingKey.of(key)
    assert SealingKey.parse(sealing_key.format()) == sealing_key
    assert key.hex() not in repr(sealing_key)
    assert repr(key) not in repr(sealing_key)


@given(st.text(max_size=120) | st.text(max_size=90).map("keystead-sealing-key-v1\n".__add__))
def test_no_text_raises_anything_but_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"first line|altered|damaged"):
        SealingKey.parse(text)


@pytest.mark.parametrize("octets", [0, 16, 31, 33])
def test_a_key_of_another_size_is_refused(octets: int) -> None:
    with pytest.raises(ValueError, match="32 octets"):
        SealingKey.of(bytes(octets))
