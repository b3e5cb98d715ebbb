"""The journal key: made once, for its owner alone; its public half is a PEM that others read."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from hsm import journalkey
from hsm.journalkey import JournalKey, format_public, parse_public
from hsm.privatefile import PrivateFileError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.key"


def test_what_was_made_is_loaded_and_signs(path: Path) -> None:
    made = journalkey.create(path)
    loaded = journalkey.load(path)
    assert loaded.public_key == made.public_key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    Ed25519PublicKey.from_public_bytes(made.public_key).verify(loaded.sign(b"text"), b"text")


def test_two_keys_are_two(tmp_path: Path) -> None:
    one, two = journalkey.create(tmp_path / "1"), journalkey.create(tmp_path / "2")
    assert one.public_key != two.public_key


def test_an_existing_file_is_never_replaced(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(PrivateFileError, match="exists already"):
        journalkey.create(path)
    assert path.read_text() == "precious"


def test_a_file_that_others_may_read_is_refused(path: Path) -> None:
    journalkey.create(path)
    path.chmod(0o640)
    with pytest.raises(PrivateFileError, match="open to others"):
        journalkey.load(path)


def test_an_absent_file_is_said_to_be_absent(path: Path) -> None:
    with pytest.raises(PrivateFileError, match="absent"):
        journalkey.load(path)


def test_what_is_no_key_of_ours_is_refused_without_being_quoted(path: Path) -> None:
    other = generate_private_key(SECP256R1())
    pem = (Encoding.PEM, PrivateFormat.PKCS8)
    for text in (
        b"",
        b"canary",
        JournalKey.generate().format()[:-40],
        other.private_bytes(*pem, NoEncryption()),
        other.private_bytes(*pem, BestAvailableEncryption(b"password")),
    ):
        path.write_bytes(text)
        path.chmod(0o600)
        with pytest.raises(PrivateFileError, match="not a usable key file") as refused:
            journalkey.load(path)
        assert "canary" not in str(refused.value)


def test_s10_the_key_shows_itself_nowhere() -> None:
    key = JournalKey.generate()
    shown = repr(key)
    assert key.public_key.hex() in shown
    secret = key._key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    assert secret.hex() not in shown
    assert repr(secret) not in shown


def test_public_keys_are_read_back_one_or_more_of_them() -> None:
    keys = [JournalKey.generate().public_key for _ in range(3)]
    assert parse_public(format_public(keys[0])) == keys[:1]
    assert parse_public("".join(map(format_public, keys))) == keys


def test_what_is_no_public_key_is_refused() -> None:
    key = JournalKey.generate()
    public = format_public(key.public_key)
    other = generate_private_key(SECP256R1()).public_key()
    foreign = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for text in ("", "text", public + "more", foreign, public.replace("MCow", "MCox")):
        with pytest.raises(ValueError, match="it holds"):
            parse_public(text)
    with pytest.raises(ValueError, match="it holds"):
        parse_public(key.format().decode())
