"""Secrets of devices: files for their owner alone, from which every role's credential follows."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm import credentials
from hsm.credentials import HsmSecret
from hsm.privatefile import PrivateFileError

SECRET = HsmSecret("host", bytes(range(32)))
KNOWN = "8fe84ce5b7714bf8fe27f78c9f0c55d065ee54fadc9f1366f14fa281f7bd1516"
KNOWN_STORE = "e1ace68567df1174fdb9551a49809cc0c22d50ffac665226fe349b09816952bf"


def test_a_roles_credential_is_what_it_always_was() -> None:
    # A change here would lock every service out of its device.
    keys = SECRET.role_key("validator")
    assert keys.enc.hex() + keys.mac.hex() == KNOWN
    assert SECRET.store_key().hex() == KNOWN_STORE


def test_roles_and_secrets_have_credentials_of_their_own() -> None:
    other = HsmSecret("host", bytes(32))
    made = {SECRET.role_key("a"), SECRET.role_key("b"), other.role_key("a"), other.role_key("b")}
    assert len(made) == 4
    assert all(len(one.enc) == len(one.mac) == 16 and one.enc != one.mac for one in made)


def test_what_was_made_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "hsm.key"
    made = credentials.create(path, "host")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    loaded = credentials.load(path, "host")
    assert loaded.role_key("validator") == made.role_key("validator")
    assert loaded.id == made.id


def test_an_existing_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "hsm.key"
    credentials.create(path, "host")
    before = path.read_bytes()
    with pytest.raises(PrivateFileError, match="not replaced"):
        credentials.create(path, "host")
    assert path.read_bytes() == before


def test_the_ceremonys_secret_is_not_taken_for_the_hosts(tmp_path: Path) -> None:
    path = tmp_path / "some.key"
    credentials.create(path, "ceremony")
    with pytest.raises(PrivateFileError, match="Name the other file"):
        credentials.load(path, "host")


@pytest.mark.parametrize(
    ("old", "new"),
    [("host", "ceremony"), ("v1", "v2"), (SECRET.id, "00000000"), ("1f", "1e"), ("\n", "")],
)
def test_a_damaged_file_is_told(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "hsm.key"
    path.touch(mode=0o600)
    path.write_text(SECRET.format().replace(old, new, 1))
    with pytest.raises(PrivateFileError, match="not a usable secret"):
        credentials.load(path, "host")


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hsm.key"
    credentials.create(path, "host")
    path.chmod(0o640)
    with pytest.raises(PrivateFileError, match="open to others"):
        credentials.load(path, "host")


@given(st.binary(min_size=32, max_size=32), st.sampled_from(["host", "ceremony"]))
def test_the_files_text_is_read_back(secret: bytes, holder: credentials.Holder) -> None:
    made = HsmSecret(holder, secret)
    read = HsmSecret.parse(made.format())
    assert (read.holder, read.reveal()) == (holder, secret)


@given(st.text(max_size=200))
def test_no_text_is_worse_than_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"line|cut off|damaged"):
        HsmSecret.parse(text)


def test_a_secret_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="32 octets"):
        HsmSecret("host", bytes(31))


def test_nothing_secret_is_shown() -> None:
    keys = SECRET.role_key("validator")
    shown = repr(SECRET) + repr(keys) + str(keys) + f"{SECRET}"
    assert SECRET.reveal().hex() not in shown
    assert keys.enc.hex() not in shown
    assert repr(keys.enc) not in shown
