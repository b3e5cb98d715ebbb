"""The format of a counter journal: what was written is read, what was damaged is noticed."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.counter_journal.records import (
    Accepted,
    DamagedError,
    Header,
    Kind,
    accepted_record,
    decode_accepted,
    entries_in,
    is_torn,
    is_torn_header,
    read_records,
    record,
)

modhex = st.text("cbdefghijklnrtuv", max_size=16)
entries = st.lists(
    st.builds(
        Accepted,
        modhex,
        st.integers(0, 0x7FFF),
        st.integers(0, 0xFF),
        st.integers(0, 0xFFFFFF),
        st.just(0),
    ),
    min_size=1,
    max_size=20,
)
headers = st.builds(
    Header,
    node=st.text(),
    store=st.text(),
    epoch=st.text(),
    first=st.integers(1, 1 << 60),
    boot=st.text(),
    continues=st.booleans(),
    peers=st.lists(st.text(), max_size=3).map(tuple),
    opened_us=st.integers(0, 1 << 60),
    file=st.text(),
)


def fields(batch: list[Accepted]) -> list[bytes | int]:
    return [
        value
        for one in batch
        for value in (one.public_id.encode(), one.session, one.use, one.clock)
    ]


@given(batch=entries, number=st.integers(1, 1 << 60), time_us=st.integers(0, 1 << 60))
def test_a_batch_is_read_as_it_was_written(
    batch: list[Accepted], number: int, time_us: int
) -> None:
    (found,) = read_records(io.BytesIO(accepted_record(number, time_us, fields(batch))))
    assert (found.kind, found.number, entries_in(found)) == (Kind.ACCEPTED, number, len(batch))
    assert decode_accepted(found) == [one._replace(time_us=time_us) for one in batch]


@given(header=headers)
def test_a_header_is_read_as_it_was_written(header: Header) -> None:
    (found,) = read_records(io.BytesIO(header.encode()))
    assert Header.decode(found.body) == header


@given(batch=entries, cut=st.integers(1, 60))
def test_what_is_cut_off_never_passes_for_whole(batch: list[Accepted], cut: int) -> None:
    whole = accepted_record(1, 0, fields(batch))
    written = whole + record(Kind.END, 1 + len(batch))
    reading = read_records(io.BytesIO(written[:-cut]))
    with pytest.raises(DamagedError):  # noqa: PT012 - the last record is the one that fails
        for found in reading:
            assert found.kind is not Kind.END
        assert cut == len(written) - len(whole)  # exactly the last record went
        raise DamagedError


@given(batch=entries, data=st.data())
def test_an_altered_octet_never_passes_for_whole(
    batch: list[Accepted], data: st.DataObject
) -> None:
    written = bytearray(accepted_record(1, 0, fields(batch)))
    at = data.draw(st.integers(0, len(written) - 1))
    written[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DamagedError):
        list(read_records(io.BytesIO(written)))


@given(batch=entries, number=st.integers(1, 1 << 60), data=st.data())
def test_half_a_record_is_torn_and_an_altered_one_is_not(
    batch: list[Accepted], number: int, data: st.DataObject
) -> None:
    whole = accepted_record(number, 0, fields(batch))
    part = whole[: data.draw(st.integers(1, len(whole) - 1))]
    assert is_torn(part, number)
    if len(part) > len(record(Kind.END, number)):
        assert not is_torn(part, number + 1)
    assert not is_torn(whole, number)
    altered = bytearray(whole + record(Kind.END, number + len(batch)))
    altered[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    assert not is_torn(bytes(altered), number)


@given(header=headers, data=st.data())
def test_half_a_header_is_a_segment_that_was_never_begun(
    header: Header, data: st.DataObject
) -> None:
    whole = header.encode()
    assert is_torn_header(whole[: data.draw(st.integers(0, len(whole) - 1))])
    altered = bytearray(whole + accepted_record(header.first, 0, [b"cccc", 1, 1, 1]))
    altered[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    assert not is_torn_header(bytes(altered))


@given(octets=st.binary(max_size=200))
def test_no_octets_make_it_stumble(octets: bytes) -> None:
    try:
        for found in read_records(io.BytesIO(octets)):
            if found.kind is Kind.HEADER:
                Header.decode(found.body)
            elif found.kind is Kind.ACCEPTED:
                decode_accepted(found)
    except ValueError:
        pass
