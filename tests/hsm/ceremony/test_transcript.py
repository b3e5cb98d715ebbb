"""A transcript proves what was done: whatever is altered in it afterwards is found."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.ceremony.perform import Performance, perform
from hsm.ceremony.transcript import Transcript, TranscriptError
from hsm.ceremony.verify import verify
from hsm.genuine import Kind
from hsm.journalkey import JournalKey
from hsm.manifest import issuing, validation
from tests.hsm.ceremony.conftest import Bench, Make

MANIFEST = validation()


@pytest.fixture(scope="module")
def operator() -> JournalKey:
    return JournalKey.generate()


@pytest.fixture
def transcript(bench: Bench, operator: JournalKey) -> Transcript:
    return Performance(bench.device, MANIFEST, bench.secrets, operator=operator).perform()


def test_a_transcript_is_read_back_and_believed(
    transcript: Transcript, operator: JournalKey
) -> None:
    read = Transcript.parse(transcript.format())
    assert read == transcript
    verified = verify(read, MANIFEST, operator=operator.public_key)
    assert verified.faults == ()
    assert verified.genuineness is not None
    assert verified.genuineness.kind is Kind.EMULATOR


def test_a_signature_that_nobody_checks_is_not_believed(transcript: Transcript) -> None:
    added = {**transcript.signatures, "auditor": (bytes(32), bytes(64))}
    (fault,) = verify(Transcript(transcript.body, added), MANIFEST).faults
    assert "'auditor'" in fault


def test_it_says_what_was_done_by_which_command_and_when(transcript: Transcript) -> None:
    body = transcript.body
    assert body["manifest"] == {"name": "validation", "sha256": MANIFEST.digest}
    assert [one["command"] for one in body["steps"]][-1] == "DELETE_OBJECT"
    assert {"started", "ended", "log_digest", "secrets"} <= body.keys()
    assert all(one["at"] >= body["started"] for one in body["steps"])


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return [leaf for name, one in value.items() for leaf in leaves(one, (*path, name))]
    if isinstance(value, list):
        return [leaf for at, one in enumerate(value) for leaf in leaves(one, (*path, at))]
    return [path]


def test_every_value_of_it_is_under_both_signatures(
    transcript: Transcript, operator: JournalKey
) -> None:
    document = json.loads(transcript.format())
    paths = leaves(document["body"])
    assert len(paths) > 80
    for path in paths:
        forged = copy.deepcopy(document)
        *way, last = ["body", *path]
        table = forged
        for part in way:
            table = table[part]
        table[last] = _other(table[last])
        read = Transcript.parse(json.dumps(forged))
        faults = verify(read, MANIFEST, operator=operator.public_key).faults
        assert any("operator's signature does not fit" in one for one in faults), path
        # Without an operator the device's own word has to be enough.
        alone = Transcript(read.body, {"device": read.signatures["device"]})
        assert verify(alone, MANIFEST).faults, path


def _other(value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str) and value:
        return value[:-1] + ("0" if value[-1] != "0" else "1")
    return "something"


@pytest.mark.parametrize("part", ["steps", "identity", "log", "device", "ended", "manifest"])
def test_a_transcript_without_a_part_is_not_believed(transcript: Transcript, part: str) -> None:
    body = {name: value for name, value in transcript.body.items() if name != part}
    assert verify(Transcript(body, transcript.signatures), MANIFEST).faults


def test_a_transcript_that_nobody_signed_is_not_believed(transcript: Transcript) -> None:
    assert verify(Transcript(transcript.body, {}), MANIFEST).faults == (
        "the device did not sign it",
    )


def test_another_operator_is_not_the_one_who_was_named(transcript: Transcript) -> None:
    other = JournalKey.generate()
    (fault,) = verify(transcript, MANIFEST, operator=other.public_key).faults
    assert "another operator" in fault


def test_an_operators_signature_that_is_wanted_has_to_be_there(
    transcript: Transcript, operator: JournalKey
) -> None:
    alone = Transcript(transcript.body, {"device": transcript.signatures["device"]})
    assert verify(alone, MANIFEST).faults == ()
    (fault,) = verify(alone, MANIFEST, operator=operator.public_key).faults
    assert "no operator signed" in fault


def test_a_device_cannot_sign_for_another(
    transcript: Transcript, make: Make, operator: JournalKey
) -> None:
    other = make()
    foreign = Performance(other.device, MANIFEST, other.secrets, operator=operator).perform()
    mixed = Transcript(transcript.body, {"device": foreign.signatures["device"]})
    assert any("another key" in one for one in verify(mixed, MANIFEST).faults)


def test_a_transcript_belongs_to_its_manifest(transcript: Transcript) -> None:
    assert any("another manifest" in one for one in verify(transcript, issuing()).faults)


def test_a_log_entry_that_was_altered_and_signed_again_is_found(
    transcript: Transcript, operator: JournalKey
) -> None:
    # Even the operator alone cannot make it up: the chain, and the device's signature, tell.
    body = copy.deepcopy(dict(transcript.body))
    del body["log"][5]
    forged = Transcript(body, transcript.signatures)
    again = (operator.public_key, operator.sign(forged.signed()))
    forged = Transcript(body, {**transcript.signatures, "operator": again})
    faults = verify(forged, MANIFEST, operator=operator.public_key).faults
    assert any("does not follow" in one for one in faults)
    assert any("device's signature does not fit" in one for one in faults)


def test_a_deletion_that_the_log_does_not_know_is_found(
    transcript: Transcript, operator: JournalKey
) -> None:
    body = copy.deepcopy(dict(transcript.body))
    body["log"] = [one for one in body["log"] if one[4:6] != "58"]
    faults = verify(Transcript(body, transcript.signatures), MANIFEST).faults
    assert any("the device's log does not" in one for one in faults)
    del operator


def test_a_second_ceremonys_transcript_is_believed_too(bench: Bench) -> None:
    perform(bench.device, MANIFEST, bench.secrets)
    assert verify(perform(bench.device, MANIFEST, bench.secrets), MANIFEST).faults == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": "keystead-ceremony-transcript-v1"}',
        '{"format": "keystead-ceremony-transcript-v1", "body": [], "signatures": {}}',
        '{"format": "keystead-ceremony-transcript-v1", "body": {"a": 1, "a": 2}, "signatures": {}}',
        '{"format": "keystead-ceremony-transcript-v1", "body": {"a": 1.5}, "signatures": {}}',
        '{"format": "keystead-ceremony-transcript-v1", "body": {}, "signatures": {"device": 1}}',
        '{"format": "keystead-ceremony-transcript-v1", "body": {}, "signatures": {}, "more": 1}',
        "[" * 100_000,
    ],
)
def test_what_is_no_transcript_is_told(text: str) -> None:
    with pytest.raises(TranscriptError):
        Transcript.parse(text)


@given(st.text(max_size=100))
def test_no_text_is_worse_than_a_transcript_error(text: str) -> None:
    with pytest.raises(TranscriptError):
        Transcript.parse(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(
    st.sampled_from(["manifest", "device", "steps", "identity", "log", "log_digest", "ended"]),
    json_values,
)
def test_a_body_of_any_form_is_judged_without_a_fault_of_ours(part: str, value: object) -> None:
    body = {
        "manifest": {"name": "validation", "sha256": MANIFEST.digest},
        "device": {"serial": 1, "kind": "emulator"},
        "steps": [],
        "identity": {
            "device_certificate": "AAAA",
            "identity_certificate": "AAAA",
            "nonce": "00",
            "signature": "00",
        },
        "log": ["00" * 32],
        "log_digest": "00" * 16,
        "ended": "2026-01-01T00:00:00Z",
        part: value,
    }
    assert verify(Transcript(body, {}), MANIFEST).faults
