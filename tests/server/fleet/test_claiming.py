"""Claims: read strictly as the agent writes them, and weighed by what is known."""

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.claim import encode_claim
from agent.report import Identity
from server.fleet.claiming import (
    MAX_CLAIMS_OF_HOST,
    AskedClaim,
    Earlier,
    UnknownClaimFormatError,
    read_claim,
    weigh,
)
from server.fleet.holders import HolderKind
from server.fleet.hosts import HostState
from server.fleet.receipt import Receipt
from server.journal.canonical import MalformedError
from tests.server.fleet.reports import HOST

DAY = date(2026, 11, 27)
ACTIVE = HostState.ACTIVE


SEVEN = Identity(serial=7)


def body(named: Identity = SEVEN, /, **changes: object) -> bytes:
    made = encode_claim("ab" * 16, HOST, 3, DAY, named, person="Anna Berg", kind="lost")
    return json.dumps({**json.loads(made), **changes}).encode()


CLAIM = AskedClaim("ab" * 16, HOST, 3, DAY, "serial:7", "Anna Berg", HolderKind.LOST)


def test_what_an_agent_writes_is_read() -> None:
    assert read_claim(body()) == CLAIM
    hashed = read_claim(body(Identity(serial_hash="cd" * 32)))
    assert hashed.key_id == "hash:" + "cd" * 32
    assert read_claim(body(Identity(kind="ef" * 32))).key_id == f"kind:{HOST}:{'ef' * 32}"


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "x"},
        {"host": "0F" * 16},
        {"number": 0},
        {"number": True},
        {"day": "yesterday"},
        {"kind": "borrowed"},
        {"person": "a\nb"},
        {"person": ""},
        {"key": {}},
        {"key": {"serial": 0}},
        {"key": {"serial": 1, "serial_hash": "ab" * 32}},
        {"key": {"colour": "red"}},
        {"more": 1},
    ],
    ids=str,
)
def test_what_is_no_claim_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        read_claim(body(**changes))


@given(st.binary(max_size=200))
def test_any_octets_are_a_claim_or_refused(octets: bytes) -> None:
    with pytest.raises(MalformedError):
        read_claim(octets)


def test_a_newer_format_is_told_apart() -> None:
    with pytest.raises(UnknownClaimFormatError, match="upgrade"):
        read_claim(body(format=2))


def test_a_claim_is_taken_once_and_an_older_one_not_at_all() -> None:
    same, older, newer = Earlier("ab" * 16, 3), Earlier("cd" * 16, 2), Earlier("cd" * 16, 3)

    def weighed(earlier: Earlier | None, *, taken: bool = False, mine: int = 0) -> Receipt:
        return weigh(CLAIM, ACTIVE, earlier, taken=taken, mine=mine)

    assert weighed(None) is Receipt.NEW
    assert weighed(same) is Receipt.AGAIN
    assert weighed(older) is Receipt.NEW
    assert weighed(newer) is Receipt.CLASH
    assert weighed(None, taken=True) is Receipt.CLASH
    assert weighed(None, mine=MAX_CLAIMS_OF_HOST) is Receipt.FULL
    assert weighed(older, mine=MAX_CLAIMS_OF_HOST) is Receipt.NEW


def test_a_host_that_is_not_enrolled_any_more_claims_nothing() -> None:
    for state, receipt in (
        (None, Receipt.UNKNOWN_HOST),
        (HostState.REPLACED, Receipt.UNKNOWN_HOST),
        (HostState.ERASED, Receipt.ERASED),
    ):
        assert weigh(CLAIM, state, None, taken=False, mine=0) is receipt
