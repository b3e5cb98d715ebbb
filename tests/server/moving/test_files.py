"""The three formats: what is written is read back; real exports are read; the rest is refused."""

import base64
import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.vault import OtpKeySecrets
from server.moving.cells import CellError
from server.moving.clients_file import MovedClient, parse_client
from server.moving.counters_file import Counters, parse_counters
from server.moving.keys_file import MovedKey, parse_key
from validation.modhex import ALPHABET

SECOND_US = 1_000_000

public_ids = st.text(ALPHABET, max_size=16)
times_us = st.integers(0, 4_000_000_000).map(lambda seconds: seconds * SECOND_US)
free_text = st.text(st.characters(exclude_categories=("C", "Z")), max_size=40)
nonces = st.one_of(st.just(""), st.text("0123456789abcdefXYZ", min_size=16, max_size=40))

used = st.builds(
    Counters,
    public_id=public_ids,
    active=st.booleans(),
    session=st.integers(0, 0x7FFF),
    use=st.integers(0, 0xFF),
    clock=st.integers(0, 0xFFFFFF),
    nonce=nonces,
    accepted_us=times_us,
    created_us=times_us,
)
never_used = st.builds(
    Counters,
    public_id=public_ids,
    active=st.booleans(),
    session=st.just(-1),
    use=st.just(-1),
    clock=st.just(0),
    nonce=st.just(""),
    accepted_us=st.just(0),
    created_us=times_us,
)
clients = st.builds(
    MovedClient,
    client_id=st.integers(1, 0x7FFFFFFF),
    active=st.booleans(),
    created_us=times_us,
    secret=st.binary(min_size=1, max_size=64),
    email=free_text,
    notes=free_text,
)
keys = st.builds(
    MovedKey,
    public_id=public_ids,
    serial=st.integers(0, 10**15).map(str),
    secrets=st.builds(
        OtpKeySecrets,
        aes_key=st.binary(min_size=16, max_size=16),
        private_id=st.binary(min_size=6, max_size=6),
    ),
    created_us=times_us,
)


@given(st.one_of(used, never_used))
def test_counters_come_back_as_they_were_written(counters: Counters) -> None:
    assert parse_counters(counters.format().removesuffix("\n")) == counters


@given(clients)
def test_s15_clients_come_back_as_they_were_written(client: MovedClient) -> None:
    line = client.format().removesuffix("\n")
    assert parse_client(line) == client
    cells = line.split(",")
    assert not cells[4].startswith(("=", "+", "-", "@"))


@given(keys)
def test_keys_come_back_as_they_were_written(key: MovedKey) -> None:
    assert parse_key(1, key.format().removesuffix("\n")) == key


@pytest.mark.parametrize("parse", [parse_counters, parse_client, lambda line: parse_key(1, line)])
@given(line=st.text(max_size=80))
def test_s15_no_line_raises_anything_but_a_refusal(
    parse: Callable[[str], object], line: str
) -> None:
    with contextlib.suppress(CellError):
        parse(line)


def test_the_lines_of_the_references_own_manual_are_read() -> None:
    counters = parse_counters("1,1359470658,1359470658,cccccccccccb,2,1,32729,4,aoincuhfuahs,")
    assert counters[:5] == ("cccccccccccb", True, 2, 1, 4 << 16 | 32729)
    assert counters.nonce == "", "too short for any request of today"
    secret = base64.b64encode(b"s" * 20).decode()
    otp = "cccccccccccbubfncnklbknnkrfvfkbubftlfliikdrt"
    client = parse_client(f"1,1,1359550387,{secret},user@example.com,,{otp}")
    assert (client.client_id, client.secret, client.email) == (1, b"s" * 20, "user@example.com")


def test_a_row_that_the_reference_made_for_a_new_key_is_read_as_never_used() -> None:
    line = "1,1359470658,1359470658,cccccccccccb,-1,-1,-1,-1,0000000000000000,"
    counters = parse_counters(line)
    assert (counters.session, counters.use, counters.nonce) == (-1, -1, "")


@pytest.mark.parametrize(
    ("notes", "read"),
    [("a, b, c", "a, b, c"), ('"a, ""b"""', 'a, "b"'), ("plain", "plain"), ("'=1+1", "=1+1")],
)
def test_notes_are_read_as_the_reference_writes_and_as_it_reads_them(notes: str, read: str) -> None:
    secret = base64.b64encode(b"s" * 20).decode()
    assert parse_client(f"7,1,0,{secret},a@b,{notes},").notes == read
    assert parse_counters(f"1,0,0,cb,1,1,0,0,,{notes}").session == 1


@pytest.mark.parametrize(
    ("notes", "email", "name"),
    [("web shop", "a@b", "web shop"), ("", "a@b", "a@b"), ("  ", "", "client 7")],
)
def test_a_client_is_called_by_its_notes_or_its_address(notes: str, email: str, name: str) -> None:
    assert MovedClient(7, True, 0, b"s", email, notes).name == name


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("2,0,0,cb,1,1,0,0,,", "active"),
        ("1,x,0,cb,1,1,0,0,,", "created"),
        ("1,0,0,cx1,1,1,0,0,,", "yk_publicname"),
        ("1,0,0,cb,32768,1,0,0,,", "yk_counter"),
        ("1,0,0,cb,1,256,0,0,,", "yk_use"),
        ("1,0,0,cb,-1,1,0,0,,", "yk_counter and yk_use"),
        ("1,0,0,cb,1,1,65536,0,,", "yk_low"),
        ("1,0,0,cb,1,1,0,256,,", "yk_high"),
        ("1,0,0,cb,1,1,0,0", "columns"),
    ],
)
def test_counters_at_fault_are_named_by_their_column(line: str, column: str) -> None:
    with pytest.raises(CellError, match=column):
        parse_counters(line)


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("0,1,0,c2VjcmV0,,,", "id"),
        ("12345678901,1,0,c2VjcmV0,,,", "id"),
        ("2147483648,1,0,c2VjcmV0,,,", "id"),
        ("1,yes,0,c2VjcmV0,,,", "active"),
        ("1,1,0,,,,", "secret is empty"),
        ("1,1,0,not base64!,,,", "secret"),
        ("1,1,0,c2VjcmV0,a\x1b[2Jb,,", "email"),
        ("1,1,0,c2VjcmV0,,a\u202eb,", "notes"),
        ("1,1,0,c2VjcmV0", "columns"),
    ],
)
def test_clients_at_fault_are_named_by_their_column(line: str, column: str) -> None:
    with pytest.raises(CellError, match=column) as refused:
        parse_client(line)
    assert "c2VjcmV0" not in str(refused.value)


@pytest.mark.parametrize(
    "line",
    [
        f'"1,cb,{"0" * 12},{"0" * 32},,,"',
        f'1,cb,{"0" * 12},{"0" * 32},",,"',
        f'"1,cb",{"0" * 12},{"0" * 32},,,,',
    ],
)
def test_a_comma_in_quotes_makes_no_two_columns_of_a_key(line: str) -> None:
    with pytest.raises(CellError, match="comma"):
        parse_key(1, line)
