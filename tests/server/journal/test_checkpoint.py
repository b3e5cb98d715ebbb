"""Checkpoints: read back as they were written, believed only under a key that was given."""

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.journalkey import JournalKey, format_public
from server.journal.canonical import MalformedError, canonical
from server.journal.checkpoint import Checkpoint, PublicKeys, key_id_of, sign_checkpoint
from server.journal.entry import End
from server.journal.export import line_of
from tests.server.journal.chains import KEY, KEYS, NOON_US, times
from tests.system_programs import require_program

ends = st.builds(End, st.integers(0, 2**53 - 1), st.binary(min_size=32, max_size=32))


@given(ends, times)
def test_a_checkpoint_is_read_back_and_believed(end: End, time_us: int) -> None:
    checkpoint = sign_checkpoint(end, time_us, KEY)
    again = Checkpoint.parse(line_of(checkpoint.to_json()))
    assert again == checkpoint
    assert KEYS.doubt(again) is None


@given(ends, st.data())
def test_no_part_of_a_checkpoint_can_be_altered(end: End, data: st.DataObject) -> None:
    checkpoint = sign_checkpoint(end, NOON_US, KEY)
    other = data.draw(ends.filter(lambda one: one != end))
    altered = [
        checkpoint._replace(end=other),
        checkpoint._replace(time_us=NOON_US + 1),
        checkpoint._replace(signature=bytes(64)),
    ]
    assert all("altered" in str(KEYS.doubt(one)) for one in altered)


def test_another_installations_key_is_not_believed() -> None:
    stranger = JournalKey.generate()
    checkpoint = sign_checkpoint(End(1, bytes(32)), NOON_US, stranger)
    assert "was not given" in str(KEYS.doubt(checkpoint))
    passed_off = checkpoint._replace(key=key_id_of(KEY.public_key))
    assert "altered" in str(KEYS.doubt(passed_off))
    assert PublicKeys([KEY.public_key, stranger.public_key]).doubt(checkpoint) is None


def test_the_format_of_a_checkpoint_stays() -> None:
    checkpoint = Checkpoint(End(7, b"\xab" * 32), NOON_US, b"\x01" * 8, b"")
    assert canonical(checkpoint.content()) == (
        b'{"hash":"' + b"ab" * 32 + b'","key":"0101010101010101","sequence":7,'
        b'"time":"2026-11-21T12:00:00.000000Z","type":"checkpoint","v":1}'
    )


@pytest.mark.parametrize(
    "change",
    [
        {"type": "entry"},
        {"v": 2},
        {"sequence": -1},
        {"sequence": "1"},
        {"hash": "ab"},
        {"key": ""},
        {"signature": "00"},
        {"time": "today"},
        {"more": 1},
    ],
)
def test_what_is_no_checkpoint_is_refused(change: dict[str, object]) -> None:
    value = {**sign_checkpoint(End(1, bytes(32)), NOON_US, KEY).to_json(), **change}
    with pytest.raises(MalformedError):
        Checkpoint.parse(json.dumps(value).encode())


def test_openssl_verifies_a_checkpoint_as_the_documentation_says(tmp_path: Path) -> None:
    openssl = require_program("openssl", package="openssl")
    value = sign_checkpoint(End(3, b"\x07" * 32), NOON_US, KEY).to_json()
    signature = bytes.fromhex(value.pop("signature"))
    message = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    (tmp_path / "key.pem").write_text(format_public(KEY.public_key))
    (tmp_path / "signature").write_bytes(signature)
    for text, code in ((message, 0), (message + b" ", 1)):
        (tmp_path / "message").write_bytes(text)
        command = [openssl, "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin"]
        command += ["-in", "message", "-sigfile", "signature"]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        assert ended.returncode == code, ended.stderr
