"""A worker takes orders of its own version only, and says so otherwise."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.config import Config
from server.datadir import DataDirectory
from server.main import seats
from server.programs.assignment import Assignment, OtherVersionError
from server.tlsfiles import Handed, Pem

HANDED = Handed(Pem(b"chain", b"a secret key", None), ((1, 2, 3), ()))
SENT = Assignment(3, "3b", DataDirectory(Path("/srv/data")), Config(), b"abcd", b"s" * 16)


@given(st.integers(0, 255), st.sampled_from([0, 1]), st.binary(min_size=4, max_size=4))
def test_what_was_sent_arrives(slot: int, which: int, key_id: bytes) -> None:
    sent = SENT._replace(slot=slot, seat=seats(slot)[which], key_id=key_id)
    arrived = Assignment.decode(sent.encode())
    assert arrived.data.root == sent.data.root
    assert arrived._replace(data=sent.data) == sent


@pytest.mark.parametrize("pem", [HANDED.pem, HANDED.pem._replace(client_ca=b"\xff\n")])
def test_a_certificate_arrives_and_is_not_shown(pem: Pem) -> None:
    sent = SENT._replace(certificate=HANDED._replace(pem=pem))
    assert Assignment.decode(sent.encode()).certificate == sent.certificate
    assert "secret" not in repr(sent) + repr(HANDED)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 3},
        {"format": None},
        {"slot_of_the_future": 1, "salt": None},
        {"config": {"of_the_future": True}},
        {"seat": "../../3"},
        {"key_id": "no hex"},
        {"certificate": {"pem": ["Zm9v"], "seen": []}},
        {"certificate": {"pem": ["no base64", "", None], "seen": []}},
    ],
)
def test_an_order_of_another_version_is_refused_with_what_to_do(change: dict[str, Any]) -> None:
    order = json.loads(SENT.encode()) | change
    with pytest.raises(OtherVersionError, match="Restart the service"):
        Assignment.decode(json.dumps(order).encode())


@given(
    st.binary()
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_what_is_no_order_is_refused(body: bytes) -> None:
    with pytest.raises(OtherVersionError):
        Assignment.decode(body)
