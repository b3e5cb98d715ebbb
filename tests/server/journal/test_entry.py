"""An entry: its JSON is read back as it was written, and its hash covers every part of it."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.journal.acts import Act, Actor, Cause, Deed, Subject
from server.journal.canonical import MAX_LINE, MalformedError, canonical, parse_object
from server.journal.entry import BEGINNING, End, Entry, append
from server.journal.export import line_of
from server.journal.moments import format_moment, parse_moment
from tests.server.journal.chains import NOON_US, a_chain, deed, deeds, times


@given(deeds, times, st.integers(0, 2**40), st.binary(min_size=32, max_size=32))
def test_an_entry_is_read_back_as_it_was_written(
    done: Deed, time_us: int, sequence: int, previous: bytes
) -> None:
    entry = append(End(sequence, previous), done, time_us)
    again = Entry.parse(line_of(entry.to_json()))
    assert again == entry
    assert again.digest() == entry.hash


def test_the_format_of_an_entry_stays() -> None:
    line = (
        b'{"action":"client.disable","actor":{"kind":"local","name":"0(root)"},'
        b'"after":{"active":false},"before":{"active":true},'
        b'"object":{"id":"client 1","kind":"client"},"previous":"' + b"00" * 32 + b'",'
        b'"reason":"a reason","sequence":1,"time":"2026-11-21T12:00:00.000000Z",'
        b'"type":"entry","v":1}'
    )
    entry = append(BEGINNING, deed(), NOON_US)
    assert canonical(entry.content()) == line
    assert entry.hash == hashlib.sha256(line).digest()


def test_anybody_can_compute_the_hash_from_a_line_of_the_export() -> None:
    value = json.loads(line_of(a_chain(3)[-1].to_json()))
    claimed = value.pop("hash")
    # For text like this, RFC 8785 is what other libraries call sorted and compact.
    plain = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(plain.encode()).hexdigest() == claimed


@pytest.mark.parametrize("number", [2**53, -(2**53), 10**30])
def test_a_number_that_readers_of_json_would_round_is_refused(number: int) -> None:
    with pytest.raises(MalformedError):
        append(BEGINNING, deed()._replace(after={"n": number}), NOON_US)


def test_a_state_that_is_no_text_is_refused() -> None:
    for state in ({"a": "\ud800"}, {"\udfff": 1}):
        with pytest.raises(MalformedError):
            append(BEGINNING, deed()._replace(after=state), NOON_US)


def variants() -> dict[str, Any]:
    """Return a well-formed entry's JSON with one thing wrong, by what it is."""
    value = append(BEGINNING, deed(), NOON_US).to_json()
    return {
        "a member more": {**value, "more": 1},
        "a member less": {name: part for name, part in value.items() if name != "reason"},
        "another type": {**value, "type": "checkpoint"},
        "another version": {**value, "v": 2},
        "a version that is none": {**value, "v": True},
        "number zero": {**value, "sequence": 0},
        "a broken number": {**value, "sequence": 1.0},
        "no number": {**value, "sequence": True},
        "a time of another form": {**value, "time": "2026-11-21T12:00:00Z"},
        "a time no calendar has": {**value, "time": "2026-02-30T12:00:00.000000Z"},
        "a time in other digits": {**value, "time": "٢٠٢٦-11-21T12:00:00.000000Z"},
        "a state that is a list": {**value, "before": []},
        "an actor that is a name": {**value, "actor": "root"},
        "an actor with more": {**value, "actor": {**value["actor"], "token": "x"}},
        "a short hash": {**value, "hash": value["hash"][:-2]},
        "a hash in capitals": {**value, "hash": value["hash"].upper()},
        "a hash with blanks": {**value, "previous": "00 " * 32},
        "a list": [value],
    }


@pytest.mark.parametrize("what", variants())
def test_what_is_no_entry_is_refused(what: str) -> None:
    with pytest.raises(MalformedError):
        Entry.parse(json.dumps(variants()[what]).encode())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"nonsense",
        b"\xff",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": 1} trailing',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"n": ' + b"1" * 10_000 + b"}",
        b"{" + b" " * MAX_LINE + b"}",
    ],
    ids=range(12),
)
def test_what_is_no_json_object_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_object(text)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8")))
def test_no_line_raises_anything_else(line: bytes) -> None:
    try:
        Entry.parse(line)
    except MalformedError:
        return
    raise AssertionError("no such line is an entry")


@given(st.integers(-(10**16), 2 * 10**17))
def test_times_are_read_back_and_sort_as_text(time_us: int) -> None:
    text = format_moment(time_us)
    assert parse_moment(text) == time_us
    assert len(text) == 27
    assert text < format_moment(time_us + 1)


@pytest.mark.parametrize("time_us", [-(2**62), 2**62])
def test_a_time_beyond_all_calendars_is_shown_and_never_believed(time_us: int) -> None:
    text = format_moment(time_us)
    assert text == str(time_us)
    with pytest.raises(MalformedError):
        parse_moment(text)


def test_a_cause_becomes_an_act() -> None:
    actor = Actor.local(0, "root")
    assert actor == Actor("local", "0(root)")
    assert Actor.local(4711, None) == Actor("local", "4711")
    assert Cause(actor, "why").act("key.enable") == Act(actor, "key.enable", "why")
    assert str(actor) == "local 0(root)"
    assert Subject("client", "1") == ("client", "1")
