"""A key file's OTPs are pressed once, by one run, and its secrets are the owner's alone."""

import json
import stat
from pathlib import Path

import pytest

from loadtest.keyfile import SESSIONS_PER_RUN, KeyFileError, KeySecrets, main, parse, take_sessions
from validation.otp import OtpCipher, parse_otp


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    """Return a key file of three keys and its import file."""
    client = tmp_path / "client.json"
    client.write_text(json.dumps({"id": 7, "name": "load", "api_key": "c2VjcmV0"}))
    load, ksm = tmp_path / "load.json", tmp_path / "keys.csv"
    main(["--keys", "3", "--client", str(client), str(load), str(ksm)])
    return load, ksm


def test_both_files_hold_the_same_keys_and_only_the_owner_reads_them(
    made: tuple[Path, Path],
) -> None:
    load, ksm = made
    ring, _ = parse(load.read_text())
    lines = ksm.read_text().splitlines()
    assert lines == [key.ksm_line(number) for number, key in enumerate(ring.keys, 1)]
    assert [client.client_id for client in ring.clients] == [7]
    for path in made:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_two_runs_press_the_same_otp(made: tuple[Path, Path]) -> None:
    first = take_sessions(made[0]).keys[0]
    key = first.plugged_in()
    for _ in range(SESSIONS_PER_RUN * 256):
        last = key.press(0)
    second = take_sessions(made[0]).keys[0]
    fields = OtpCipher(first.aes_key).open(parse_otp(last).ciphertext, first.private_id)
    assert fields.session == second.session - 1


def test_a_file_that_others_may_read_is_refused(made: tuple[Path, Path]) -> None:
    made[0].chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        take_sessions(made[0])


def test_keys_at_the_end_of_their_sessions_are_refused_and_nothing_is_written(
    made: tuple[Path, Path],
) -> None:
    document = json.loads(made[0].read_text())
    document["keys"][1]["session"] = 0x8000 - SESSIONS_PER_RUN + 1
    made[0].write_text(json.dumps(document))
    with pytest.raises(KeyFileError, match="make new ones"):
        take_sessions(made[0])
    assert json.loads(made[0].read_text()) == document


@pytest.mark.parametrize(
    ("damage", "place"),
    [
        ({"clients": []}, "names no clients or no keys"),
        ({"keys": [{}]}, r"keys\[0\]"),
        ({"clients": [{"id": 1, "api_key": "not base64!"}]}, r"clients\[0\]"),
        ({"keys": [{"public_id": "c", "private_id": "00", "aes_key": "", "session": 1}]}, "keys"),
        ({"keys": None}, "the file"),
    ],
)
def test_a_faulty_part_is_named_and_no_value_of_it_is_repeated(
    made: tuple[Path, Path], damage: dict[str, object], place: str
) -> None:
    document = json.loads(made[0].read_text()) | damage
    with pytest.raises(KeyFileError, match=place) as refused:
        parse(json.dumps(document))
    assert "not base64" not in str(refused.value)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be used"):
        take_sessions(tmp_path / "absent.json")
    with pytest.raises(KeyFileError, match="not as described"):
        parse("{")


def test_secrets_are_not_in_repr() -> None:
    key = KeySecrets.new()
    assert key.aes_key.hex() not in repr(key)
    assert repr(key.aes_key) not in repr(key)
