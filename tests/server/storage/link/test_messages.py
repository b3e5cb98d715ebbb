"""Bodies of the link: batches, outcomes and records arrive as they were sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.incidents.intervals import Span
from server.maintenance.decisions import MAX_CHANGES, MAX_TITLE
from server.maintenance.plan import Component, Maintenance, Plan, Record, Step
from server.maintenance.ports import MOST_PUBLIC
from server.notices.acknowledging import Found, Verdict
from server.otp.ports import (
    MAX_BATCH,
    Advance,
    ClientRecord,
    Entry,
    KeyRecord,
    Kind,
    Outcome,
    SealedApiKey,
)
from server.storage.link import messages
from server.storage.link.frames import MAX_BODY
from server.usage.kinds import KINDS
from server.usage.ports import MAX_PARCEL_ROWS, MinuteRow, Parcel
from validation.gcra import Policy, Rate

numbers = st.integers(0, 2**62)
public_ids = st.text("cbdefghijklnrtuv", max_size=16)
advances = st.builds(
    Advance,
    st.integers(0, 0x7FFF),
    st.integers(0, 255),
    st.integers(0, 0xFF_FFFF),
    st.booleans(),
)
entries = st.builds(
    Entry,
    client_id=numbers,
    client_version=numbers,
    bucket=st.integers(0, 256),
    free=st.booleans(),
    public_id=public_ids,
    key_version=numbers,
    advance=st.none() | advances,
    nonce=st.text("abcXYZ0189", max_size=40),
)
outcomes = st.builds(Outcome, st.sampled_from(Kind), numbers, numbers, st.booleans())
rates = st.builds(Rate, numbers, numbers)
clients = st.builds(
    ClientRecord,
    numbers,
    numbers,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.builds(Policy, rates, rates),
    st.lists(st.builds(SealedApiKey, numbers, st.binary(max_size=80)), max_size=2).map(tuple),
)
keys = st.builds(KeyRecord, public_ids, numbers, st.booleans(), numbers, st.binary(max_size=256))

plans = st.builds(
    Plan, st.sampled_from(Component), st.text(max_size=20), st.builds(Span, numbers, numbers)
)
maintenances = st.builds(
    Maintenance,
    numbers,
    st.lists(st.builds(Record, st.sampled_from(Step), numbers, plans), max_size=3).map(tuple),
)
parcels = st.builds(
    Parcel,
    st.text("0123456789abcdef", max_size=16),
    numbers,
    st.lists(
        st.builds(MinuteRow, numbers, st.integers(-1, 2**62), st.tuples(numbers, numbers)),
        max_size=5,
    ).map(tuple),
)


@given(st.lists(entries, max_size=20))
def test_batches_arrive_as_sent(batch: list[Entry]) -> None:
    arrived = messages.decode_batch(messages.encode_batch(batch))
    assert arrived == batch
    assert all(isinstance(entry.advance, Advance) for entry in arrived if entry.advance is not None)


@given(st.lists(outcomes, max_size=20))
def test_outcomes_arrive_as_sent(sent: list[Outcome]) -> None:
    arrived = messages.decode_outcomes(messages.encode_outcomes(sent))
    assert arrived == sent
    assert all(isinstance(outcome.kind, Kind) for outcome in arrived)


@given(st.none() | clients)
def test_clients_arrive_as_sent(record: ClientRecord | None) -> None:
    arrived = messages.decode_client(messages.encode_client(record))
    assert arrived == record
    assert arrived is None or isinstance(arrived.policy.burst, Rate)


@given(st.none() | keys)
def test_keys_arrive_as_sent(record: KeyRecord | None) -> None:
    assert messages.decode_key(messages.encode_key(record)) == record


@given(parcels)
def test_parcels_arrive_as_sent(parcel: Parcel) -> None:
    arrived = messages.decode_parcel(messages.encode_parcel(parcel))
    assert arrived == parcel
    assert all(isinstance(row, MinuteRow) for row in arrived.rows)


@given(st.lists(maintenances, max_size=4))
def test_maintenance_arrives_as_sent(sent: list[Maintenance]) -> None:
    assert messages.decode_maintenance(messages.encode_maintenance(sent)) == sent


@given(st.text(max_size=200), st.booleans())
def test_a_link_to_acknowledge_by_arrives_as_sent(token: str, press: bool) -> None:  # noqa: FBT001
    assert messages.decode_link(messages.encode_link(token, press=press)) == (token, press)


@given(
    st.builds(
        Found,
        st.sampled_from(Verdict),
        st.text(max_size=40),
        numbers,
        st.text(max_size=40),
        st.text(max_size=9),
        st.integers(1, 4),
        st.text(max_size=9),
        st.text(max_size=9),
    )
)
def test_what_is_behind_a_link_arrives_as_sent(found: Found) -> None:
    assert messages.decode_found(messages.encode_found(found)) == found


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"[1,true]", b'["x"]', b'["x",1]', b'["ready"]', b"{}"]
)
def test_what_is_no_link_and_nothing_behind_one_is_refused(body: bytes) -> None:
    with pytest.raises(messages.MessageError):
        messages.decode_link(body)
    with pytest.raises(messages.MessageError):
        messages.decode_found(body)


def test_all_maintenance_that_is_told_of_fits_a_frame() -> None:
    plan = Plan(Component.PROVISIONING, "\u00e4" * MAX_TITLE, Span(2**34, 2**34))
    record = Record(Step.ANNOUNCE, 2**53, plan)
    longest = Maintenance(2**53, (record,) * (MAX_CHANGES + len(Step) - 1))
    assert len(messages.encode_maintenance([longest] * MOST_PUBLIC)) < MAX_BODY


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"[1]",
        b"[[1]]",
        b'[[1, [["scheduled", 1]]]]',
        b'[[1, [["scheduled", 1, ["validation", "t", [1, 2, 3]]]]]]',
        b'[[1, [["scheduled", 1, ["coffee", "t", [1, 2]]]]]]',
        b'[[1, [["drunk", 1, ["validation", "t", [1, 2]]]]]]',
    ],
)
def test_what_is_no_maintenance_is_refused(body: bytes) -> None:
    with pytest.raises(messages.MessageError):
        messages.decode_maintenance(body)


@given(numbers)
def test_numbers_arrive_as_sent(number: int) -> None:
    assert messages.decode_number(messages.encode_number(number)) == number


@given(public_ids, numbers)
def test_questions_arrive_as_sent(public_id: str, client_id: int) -> None:
    assert messages.decode_public_id(messages.encode_public_id(public_id)) == public_id
    assert messages.decode_client_id(messages.encode_client_id(client_id)) == client_id


def test_the_largest_batch_fits_a_frame_many_times() -> None:
    entry = Entry(
        2**63, 2**63, 256, True, "c" * 16, 2**63, Advance(0x7FFF, 255, 0xFF_FFFF, True), "n" * 40
    )
    assert len(messages.encode_batch([entry] * MAX_BATCH)) * 5 < MAX_BODY


def test_the_largest_parcel_fits_a_frame_many_times() -> None:
    row = MinuteRow(2**63, 2**63, (2**31,) * len(KINDS))
    parcel = Parcel("f" * 16, 2**63, (row,) * MAX_PARCEL_ROWS)
    assert len(messages.encode_parcel(parcel)) * 5 < MAX_BODY


@pytest.mark.parametrize(
    "body", [b"", b"[1]", b"3", b'["a", 1, [[1, 2]]]', b'["a", 1, [[1, 2, ["x"]]]]', b"\xff"]
)
def test_what_is_no_parcel_is_refused(body: bytes) -> None:
    with pytest.raises(messages.MessageError):
        messages.decode_parcel(body)


def test_a_parcel_beyond_the_cap_is_refused() -> None:
    parcel = Parcel("one", 1, (MinuteRow(1, 1, (1,)),) * (MAX_PARCEL_ROWS + 1))
    with pytest.raises(messages.MessageError, match="too large"):
        messages.decode_parcel(messages.encode_parcel(parcel))


@pytest.mark.parametrize("body", [b"", b"[]", b'"1"', b"1.5"])
def test_what_is_no_number_is_refused(body: bytes) -> None:
    with pytest.raises(messages.MessageError):
        messages.decode_number(body)


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"[[1,2]]", b"\xff", b"[" * 2000])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    for decode in (messages.decode_batch, messages.decode_outcomes):
        with pytest.raises(messages.MessageError):
            decode(body)


@pytest.mark.parametrize("body", [b"", b"[1]", b"3", b"\xff", b'{"a": 1}'])
def test_what_is_no_record_is_refused(body: bytes) -> None:
    for decode in (messages.decode_client, messages.decode_key):
        with pytest.raises(messages.MessageError):
            decode(body)


def test_a_batch_beyond_the_cap_is_refused() -> None:
    with pytest.raises(messages.MessageError, match="too large"):
        messages.decode_batch(b"[" + b"0," * MAX_BATCH + b"0]")


def test_an_unknown_outcome_is_refused() -> None:
    with pytest.raises(messages.MessageError):
        messages.decode_outcomes(b"[[99,0,0,false]]")


@pytest.mark.parametrize("body", [b"", b'"1"', b"x"])
def test_what_is_no_client_id_is_refused(body: bytes) -> None:
    with pytest.raises(messages.MessageError):
        messages.decode_client_id(body)


def test_what_is_no_public_id_is_refused() -> None:
    with pytest.raises(messages.MessageError):
        messages.decode_public_id(b"\xff")
