"""Lines on their way in: nothing is passed over, nothing but sealed secrets lies on the shelf."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.keyfile import SealingKey
from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from server.moving.ports import File, Reading
from server.moving.reader import LineReader
from server.storage.gathering import FileGathering, new_gathering
from tests.server.moving_files import ReferenceClient, ReferenceKey, counter_file, key_file
from validation.otp import InvalidOtpError, OtpCipher

VAULT = SealedVault(Rings.single(SealingKey.of(bytes(range(32)))))


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[FileGathering]:
    made = new_gathering(tmp_path)
    await made.create()
    yield made
    await made.close()


async def read(shelf: FileGathering, file: File, *pieces: bytes) -> Reading:
    reader = LineReader(VAULT, shelf)
    for piece in pieces:
        await reader.read(file, piece)
    return await reader.finish()


@pytest.mark.parametrize(
    "text",
    [
        "# saved by an old editor\r1,1,2,cccccccccccb,9,9,1,1,,\n",
        "#\r\r\n",
        "1,1,2,cccccccccccb,9,9,1,1,,\r1,1,2,cccccccccccd,9,9,1,1,,\n",
        "1,1,2,cccccccccccb,9,9,1,1,,\r\r\n",
    ],
)
async def test_s15_a_carriage_return_hides_no_record(shelf: FileGathering, text: str) -> None:
    reading = await read(shelf, File.COUNTERS, text.encode())
    assert [fault.line for fault in reading.faults] == [1]
    assert "carriage return" in reading.faults[0].said


@pytest.mark.parametrize("separator", ["\u2028", "\u0085", "\x0b", "\x0c", "\x1e", "\x00"])
async def test_s15_only_a_line_feed_ends_a_line(shelf: FileGathering, separator: str) -> None:
    line = ReferenceKey().counter_line().removesuffix("\n")
    text = f"{line}{separator}{ReferenceKey().counter_line()}"
    reading = await read(shelf, File.COUNTERS, text.encode())
    assert (reading.records[File.COUNTERS], [fault.line for fault in reading.faults]) == (1, [1])


async def test_lines_that_end_as_windows_ends_them_are_read(shelf: FileGathering) -> None:
    text = counter_file([ReferenceKey() for _ in range(3)]).replace("\n", "\r\n")
    reading = await read(shelf, File.COUNTERS, b"\xef\xbb\xbf" + text.encode())
    assert (reading.records[File.COUNTERS], reading.fault_count) == (3, 0)


async def test_an_id_twice_is_found_across_pieces_and_in_either_case(shelf: FileGathering) -> None:
    key = ReferenceKey("cccccccccccb")
    again = ReferenceKey("cccccccccccb").key_line.replace("cccccccccccb", "CCCCCCCCCCCB")
    reading = await read(shelf, File.KEYS, key.key_line.encode(), b"# x\n", again.encode())
    assert [(fault.line, fault.said) for fault in reading.faults] == [
        (3, "the same id as on line 1; remove one of them")
    ]


async def test_s10_nothing_on_the_shelf_opens_a_door(shelf: FileGathering) -> None:
    """Neither keys nor API keys, nor an OTP that the store would take from a new key."""
    keys = [ReferenceKey() for _ in range(5)]
    client = ReferenceClient.new(7)
    reader = LineReader(VAULT, shelf)
    await reader.read(File.KEYS, key_file(keys).encode())
    await reader.read(File.CLIENTS, client.line.encode())
    await reader.finish()
    octets = shelf.path.read_bytes()
    assert shelf.path.stat().st_mode & 0o077 == 0
    for secret in (client.secret, *(key.aes_key for key in keys)):
        assert secret not in octets
        assert secret.hex().encode() not in octets
    with closing(sqlite3.connect(shelf.path)) as lying:
        proofs = dict(lying.execute("SELECT id, proof FROM key").fetchall())
    for key in keys:
        assert not list(otps_in(proofs[key.public_id], key))


def otps_in(octets: bytes, key: ReferenceKey) -> Iterator[object]:
    cipher = OtpCipher(key.aes_key)
    for start in range(len(octets) - 15):
        try:
            yield cipher.open(octets[start : start + 16], key.private_id)
        except InvalidOtpError:
            continue


@given(
    file=st.sampled_from(File),
    pieces=st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.text(max_size=60).map(str.encode),
            st.lists(st.sampled_from(["1", "-1", '"', "cb", "", "\r", "0" * 32]), max_size=12).map(
                lambda cells: ",".join(cells).encode()
            ),
        ),
        max_size=6,
    ),
)
async def test_s15_whatever_comes_is_read_or_blamed(file: File, pieces: list[bytes]) -> None:
    with TemporaryDirectory() as directory:
        shelf = new_gathering(Path(directory))
        await shelf.create()
        reading = await read(shelf, file, *pieces)
        await shelf.close()
    lines = sum(piece.count(b"\n") + (not piece.endswith(b"\n")) for piece in pieces if piece)
    assert reading.records.get(file, 0) <= lines
    assert all(1 <= fault.line <= lines for fault in reading.faults)
