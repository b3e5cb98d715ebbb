"""The virtual key: durable counters before an OTP, and nothing secret where it can be seen."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm import privatefile
from hsm.privatefile import PrivateFileError
from server.probing.virtual_key import KeptKey, KeyFileError, Slot
from validation.otp import SESSION_END, OtpCipher, parse_otp
from validation.virtual import WornOutError

SLOT = Slot("vvcbdefghijk", bytes(range(6)), bytes(range(16)))
NOW_US = 1_795_262_400_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "virtual-key"
    privatefile.create(path, SLOT.encode(), unless_lost="nothing")
    return path


def counters(otp: str) -> tuple[int, int]:
    fields = OtpCipher(SLOT.aes_key).open(parse_otp(otp).ciphertext, SLOT.private_id)
    return fields.session, fields.use


def test_an_otp_is_written_down_before_it_is_given_out(file: Path) -> None:
    key = KeptKey.plug_in(file)
    seen = [counters(key.press(NOW_US)) for _ in range(3)]
    assert seen == [(2, 0), (2, 1), (2, 2)]
    kept = Slot.decode(file.read_bytes())
    assert (kept.session, kept.use) == (2, 3)


def test_a_key_whose_counters_cannot_be_kept_gives_nothing(file: Path) -> None:
    key = KeptKey.plug_in(file)
    file.with_name("virtual-key.new").mkdir()
    with pytest.raises(PrivateFileError):
        key.press(NOW_US)
    file.with_name("virtual-key.new").rmdir()
    assert counters(key.press(NOW_US)) == (2, 0)


def test_no_start_repeats_what_one_before_gave_out(file: Path) -> None:
    seen = set()
    for presses in (1, 260, 1, 1):
        key = KeptKey.plug_in(file)
        seen |= {counters(key.press(NOW_US)) for _ in range(presses)}
    assert len(seen) == 263


def test_a_key_at_its_end_says_so_and_wraps_never(file: Path) -> None:
    privatefile.replace(file, SLOT._replace(session=SESSION_END - 1).encode())
    key = KeptKey.plug_in(file)
    for _ in range(2):
        with pytest.raises(WornOutError):
            key.press(NOW_US)
        key.power_up()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff", SLOT.encode()[:-3]])
def test_a_damaged_file_is_refused_with_what_to_do(file: Path, content: bytes) -> None:
    privatefile.replace(file, content)
    with pytest.raises(KeyFileError, match="keystead probe init"):
        KeptKey.plug_in(file)


def test_a_file_that_others_can_read_is_refused(file: Path) -> None:
    file.chmod(0o640)
    with pytest.raises(PrivateFileError, match="open to others"):
        KeptKey.plug_in(file)
    file.unlink()
    with pytest.raises(PrivateFileError, match="absent"):
        KeptKey.plug_in(file)


def test_a_new_key_is_private_and_hides_its_secrets(file: Path) -> None:
    drawn = Slot.draw()
    assert drawn.public_id.startswith("vv")
    assert drawn != Slot.draw()
    assert drawn.aes_key.hex() not in repr(drawn)
    assert os.stat(file).st_mode & 0o777 == 0o600  # noqa: PTH116 - as the kernel says it


@given(
    st.binary(min_size=6, max_size=6),
    st.binary(min_size=16, max_size=16),
    st.integers(0, SESSION_END),
    st.integers(0, 255),
)
def test_what_is_written_is_read_again(
    private_id: bytes, aes_key: bytes, session: int, use: int
) -> None:
    slot = Slot("vvcbdefghijk", private_id, aes_key, session, use)
    try:
        slot.key()
    except ValueError:
        return
    assert Slot.decode(slot.encode()) == slot


@given(st.binary(max_size=200))
def test_whatever_a_file_holds_is_a_key_or_refused(octets: bytes) -> None:
    try:
        slot = Slot.decode(octets)
    except ValueError:
        return
    assert Slot.decode(slot.encode()) == slot
