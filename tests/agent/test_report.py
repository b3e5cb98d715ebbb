import contextlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.report import (
    ENROLMENT_CONTEXT,
    FORMAT,
    MAX_REPORT_OCTETS,
    REPORT_CONTEXT,
    Identity,
    KeyReport,
    MalformedReportError,
    Report,
    UnknownFormatError,
    encode,
    parse,
    serial_hash,
    signature_input,
)

GOLDEN = Path(__file__).parent / "golden"

names = st.from_regex(r"[a-z]{1,8}(\.[a-z0-9]{1,8}){0,3}", fullmatch=True)
words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20)
values = (
    st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | words
    | st.lists(words, max_size=5, unique=True).map(lambda found: tuple(sorted(found)))
)
digests = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
ids = st.from_regex(r"[0-9a-f]{32}", fullmatch=True)
identities = (
    st.integers(1, 2**32 - 1).map(lambda serial: Identity(serial=serial))
    | digests.map(lambda digest: Identity(serial_hash=digest))
    | digests.map(lambda digest: Identity(kind=digest))
)
keys = st.builds(
    KeyReport,
    identities,
    st.dates(),
    st.none() | st.booleans(),
    st.dictionaries(names, values, max_size=8),
    st.dictionaries(names, st.from_regex(r"[a-z][a-z-]{0,20}", fullmatch=True), max_size=4),
)
reports = st.builds(
    Report,
    ids,
    ids,
    st.integers(1, 2**53 - 1),
    st.dates(),
    words,
    words,
    words,
    st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True), words, max_size=4),
    st.integers(0, 2**53 - 1),
    st.lists(keys, max_size=3).map(tuple),
)


def golden(version: int = FORMAT) -> bytes:
    return (GOLDEN / f"report-{version}.json").read_bytes().rstrip(b"\n")


def changed(**members: Any) -> bytes:  # noqa: ANN401 - whatever somebody sends
    return json.dumps({**json.loads(golden()), **members}).encode()


@given(reports)
@settings(max_examples=30)
def test_a_report_comes_back_as_it_was(report: Report) -> None:
    assert parse(encode(report)) == report


@given(st.binary(max_size=300))
def test_whatever_is_sent_is_a_report_or_malformed(body: bytes) -> None:
    with contextlib.suppress(MalformedReportError):
        assert parse(encode(parse(body))) == parse(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    ),
    st.sampled_from(sorted(json.loads(golden()))),
)
def test_any_json_in_a_members_place_is_taken_or_malformed(value: object, member: str) -> None:
    with contextlib.suppress(MalformedReportError):
        report = parse(changed(**{member: value}))
        assert parse(encode(report)) == report


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("report-*.json")), ids=lambda path: path.name)
def test_a_report_of_every_version_is_read_and_written_as_ever(path: Path) -> None:
    body = path.read_bytes().rstrip(b"\n")
    assert encode(parse(body)) == body


def test_there_is_a_golden_file_of_every_version() -> None:
    assert {path.name for path in GOLDEN.glob("report-*.json")} == {
        f"report-{version}.json" for version in range(1, FORMAT + 1)
    }


def test_a_key_with_everything_fits_four_kibibytes() -> None:
    report = parse(golden())
    assert len(encode(report._replace(keys=report.keys[:1]))) <= 4096


def test_a_report_of_another_format_is_told_from_a_malformed_one() -> None:
    with pytest.raises(UnknownFormatError, match="format 2"):
        parse(changed(format=FORMAT + 1))


def test_a_fact_that_nobody_knows_yet_is_carried() -> None:
    value = json.loads(golden())
    value["keys"][0]["facts"]["quantum.ready"] = ["kyber", "mldsa"]
    (key, *_rest) = parse(json.dumps(value).encode()).keys
    assert key.facts["quantum.ready"] == ("kyber", "mldsa")


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b" " * (MAX_REPORT_OCTETS + 1), "longer than"),
        (b"[" * 60_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"\xff", "not JSON"),
        (b'{"format":1,"format":1}', "stands twice"),
        (b'{"format":NaN}', "does not have"),
        (b'{"format":true}', "format: not a number"),
        (changed(extra=1), "a member that is not known"),
        (changed(sequence=0), "sequence"),
        (changed(sequence=True), "sequence"),
        (changed(sequence=1.0), "sequence"),
        (changed(id="A" * 32), "id"),
        (changed(day="20261127"), "day"),
        (changed(day="2026-02-30"), "day"),
        (changed(release="a\nb"), "release"),
        (changed(software={"Not A Package": "1"}), "software"),
        (changed(keys=[{}] * 9), "keys"),
        (changed(keys=[{}]), "exactly one of"),
        (changed(keys=[7]), "not an object"),
    ],
    ids=lambda value: value[:24].decode("latin-1") if isinstance(value, bytes) else "",
)
def test_what_is_wrong_is_said(body: bytes, what: str) -> None:
    with pytest.raises(MalformedReportError, match=what):
        parse(body)


@pytest.mark.parametrize(
    ("member", "value", "what"),
    [
        ("serial", 2**32, "serial"),
        ("kind", "0" * 64, "exactly one of"),
        ("attached", 1, "attached"),
        ("facts", {"UPPER": 1}, "no fact's name"),
        ("facts", {"a": None}, "a value that is no"),
        ("facts", {"a": 1.5}, "a value that is no"),
        ("facts", {"a": {"b": 1}}, "a value that is no"),
        ("facts", {"a": ["b", "a"]}, "a value that is no"),
        ("facts", {"a": "x" * 129}, "a value that is no"),
        ("facts", {f"a{number}": 1 for number in range(401)}, "more than"),
        ("unreadable", {"piv": "In Use"}, "no word"),
        ("unreadable", {f"a{number}": "b" for number in range(401)}, "more than"),
        ("colour", "black", "not known"),
    ],
)
def test_what_is_wrong_with_a_key_is_said(member: str, value: object, what: str) -> None:
    found = json.loads(golden())
    found["keys"][0][member] = value
    with pytest.raises(MalformedReportError, match=what):
        parse(json.dumps(found).encode())


def test_a_reason_covers_every_fact_below_its_name() -> None:
    key = KeyReport(
        Identity(serial=1), date(2026, 11, 27), None, {}, {"piv": "in-use", "piv.pin": "refused"}
    )
    assert key.why_unreadable("piv.pin.default") == "refused"
    assert key.why_unreadable("piv.puk.tries") == "in-use"
    assert key.why_unreadable("pivot") is None


def test_a_serials_hash_is_fixed_and_depends_on_the_organisation() -> None:
    assert serial_hash(bytes(32), 12345678) == (
        "1ce6672fbfe5a78de6e81bc1621bda6ce262978f92de7d9bdc8955cb4cff9861"
    )
    assert serial_hash(bytes(31) + b"\x01", 12345678) != serial_hash(bytes(32), 12345678)


def test_a_signature_for_one_purpose_is_none_for_the_other() -> None:
    assert signature_input(REPORT_CONTEXT, b"{}") != signature_input(ENROLMENT_CONTEXT, b"{}")
