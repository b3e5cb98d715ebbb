import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.virtual_yubikey.apdu import BadApdu, Command, Response

HEADER = bytes.fromhex("00CB3FFF")


@pytest.mark.parametrize(
    ("body", "data", "most", "extended"),
    [
        ("", b"", 256, False),
        ("00", b"", 256, False),
        ("10", b"", 16, False),
        ("02AABB", b"\xaa\xbb", 256, False),
        ("02AABB08", b"\xaa\xbb", 8, False),
        ("000100", b"", 256, True),
        ("000000", b"", 65536, True),
        ("000002AABB", b"\xaa\xbb", 65536, True),
        ("000002AABB0010", b"\xaa\xbb", 16, True),
    ],
)
def test_all_cases_of_the_standard_are_told_apart(
    body: str,
    data: bytes,
    most: int,
    extended: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    command = Command.parse(HEADER + bytes.fromhex(body))
    assert (command.data, command.most, command.extended) == (data, most, extended)
    assert command.header == HEADER
    assert command.parameters == 0x3FFF


@pytest.mark.parametrize("raw", ["", "00CB3F", "00CB3FFF05AABB", "00CB3FFF000005AABB"])
def test_what_is_no_command_is_refused(raw: str) -> None:
    with pytest.raises(BadApdu):
        Command.parse(bytes.fromhex(raw))


@given(st.binary(max_size=300))
def test_whatever_bytes_are_a_command_or_refused(raw: bytes) -> None:
    try:
        command = Command.parse(raw)
    except BadApdu:
        return
    assert raw.startswith(command.header)
    assert command.data in raw


@given(st.binary(max_size=20), st.integers(0, 0xFFFF))
def test_a_response_ends_with_its_status(data: bytes, status: int) -> None:
    assert Response(data, status).encode() == data + status.to_bytes(2, "big")
