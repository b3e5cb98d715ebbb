"""A key file's OTPs are pressed once, by one run, and its secrets are the owner's alone."""

import json
import stat
from pathlib import Path

import pytest

from loadtest.desk import HeldKey, SpentError
from loadtest.keyfile import SESSIONS_PER_RUN, KeySecrets, main, parse, take_sessions, to_text
from loadtest.plan import press
from loadtest.secretfile import SecretFileError
from validation.otp import OtpCipher, parse_otp


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    """Return a key file of three keys and its import file."""
    load, ksm = tmp_path / "load.json", tmp_path / "keys.csv"
    main(["--keys", "3", str(load), str(ksm)])
    return load, ksm


def test_both_files_hold_the_same_keys_and_only_the_owner_reads_them(
    made: tuple[Path, Path],
) -> None:
    load, ksm = made
    keys = parse(load.read_text())
    assert ksm.read_text().splitlines() == [key.ksm_line(n) for n, key in enumerate(keys, 1)]
    assert len(keys) == 3
    for path in made:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_file_says_the_same_after_it_was_written(made: tuple[Path, Path]) -> None:
    keys = parse(made[0].read_text())
    keys = (keys[0]._replace(active=False), *keys[1:])
    assert parse(to_text(keys)) == keys


def test_no_two_runs_press_the_same_otp(made: tuple[Path, Path]) -> None:
    first = take_sessions(made[0])[0]
    held = HeldKey(first, SESSIONS_PER_RUN)
    seen = set()
    while not held.is_spent:
        last = held.press()
        held.hand_in()
        seen.add(last.text)
    assert len(seen) == SESSIONS_PER_RUN * 256
    with pytest.raises(SpentError):
        held.press()
    second = take_sessions(made[0])[0]
    fields = OtpCipher(first.aes_key).open(parse_otp(last.text).ciphertext, first.private_id)
    assert (fields.session, fields.use) == last.counters == (second.session - 1, 255)


def test_an_otp_stays_in_the_hand_until_it_is_handed_in() -> None:
    held = HeldKey(KeySecrets.new(), 1)
    otp = held.press()
    assert held.press() == otp
    held.hand_in()
    after = held.press()
    assert after != otp
    held.hand_in()
    held.take_back(after)
    assert held.press() == after


def test_an_otp_can_be_made_again_by_whoever_knows_its_counters() -> None:
    key = KeySecrets.new()
    held = HeldKey(key, 2)
    for _ in range(300):
        otp = held.press()
        held.hand_in()
        assert otp.counters is not None
        assert press(key, otp.counters) == otp.text


def test_a_file_that_others_may_read_is_refused(made: tuple[Path, Path]) -> None:
    made[0].chmod(0o640)
    with pytest.raises(SecretFileError, match="chmod 600"):
        take_sessions(made[0])


def test_keys_at_the_end_of_their_sessions_are_refused_and_nothing_is_written(
    made: tuple[Path, Path],
) -> None:
    document = json.loads(made[0].read_text())
    document["keys"][1]["session"] = 0x8000 - SESSIONS_PER_RUN + 1
    made[0].write_text(json.dumps(document))
    with pytest.raises(SecretFileError, match="make new ones"):
        take_sessions(made[0])
    assert json.loads(made[0].read_text()) == document


_KEY = {"public_id": "cc", "private_id": "00" * 6, "aes_key": "5ec3e7" + "00" * 13, "session": 1}


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"keys": []}, "no active keys"),
        ({"keys": [_KEY | {"active": False}]}, "no active keys"),
        ({"keys": [{}]}, r"keys\[0\]"),
        ({"keys": [_KEY, _KEY]}, "twice"),
        ({"keys": [_KEY, _KEY | {"aes_key": "5ec3e7"}]}, r"keys\[1\]"),
        ({"keys": [_KEY | {"session": 0x10000}]}, r"keys\[0\]"),
        ({"keys": None}, "the key file"),
        ([], "the key file"),
    ],
)
def test_a_faulty_part_is_named_and_no_value_of_it_is_repeated(
    document: object, place: str
) -> None:
    with pytest.raises(SecretFileError, match=place) as refused:
        parse(json.dumps(document))
    assert "5ec3e7" not in str(refused.value)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SecretFileError, match="cannot be used"):
        take_sessions(tmp_path / "absent.json")
    with pytest.raises(SecretFileError, match="not as described"):
        parse("{")


def test_secrets_are_not_in_repr() -> None:
    key = KeySecrets.new()
    assert key.aes_key.hex() not in repr(key)
    assert repr(key.aes_key) not in repr(key)
