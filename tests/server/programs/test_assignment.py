"""A worker takes orders of its own version only, and says so otherwise."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.keyfile import SealingKey
from hsm.rings import Rings
from server.config import Config
from server.datadir import DataDirectory
from server.handed_keys import HandedKeys, Role, Strict
from server.main import seats
from server.programs.assignment import Assignment, OtherVersionError
from server.tlsfiles import Handed, Pem

HANDED = Handed(Pem(b"chain", b"a secret key", None), ((1, 2, 3), ()))
KEYS = HandedKeys(Rings.single(SealingKey.of(b"a sealing key of 32 octets, so!!")))
STRICT = Strict(
    ("http://127.0.0.1:12345",),
    0x0101,
    1.0,
    Role(0x11, b"secret enc key..", b"secret mac key.."),
    Role(0x12, bytes(16), bytes(16)),
)
SENT = Assignment(3, "3b", DataDirectory(Path("/srv/data")), Config(), KEYS, b"s" * 16)


@given(
    st.integers(0, 255),
    st.sampled_from([0, 1]),
    st.sampled_from([None, STRICT, STRICT._replace(provisioner=None)]),
)
def test_what_was_sent_arrives(slot: int, which: int, strict: Strict | None) -> None:
    keys = KEYS._replace(strict=strict)
    sent = SENT._replace(slot=slot, seat=seats(slot)[which], keys=keys)
    arrived = Assignment.decode(sent.encode())
    assert arrived.data.root == sent.data.root
    assert arrived._replace(data=sent.data) == sent


@pytest.mark.parametrize("pem", [HANDED.pem, HANDED.pem._replace(client_ca=b"\xff\n")])
def test_a_certificate_arrives_and_is_not_shown(pem: Pem) -> None:
    sent = SENT._replace(certificate=HANDED._replace(pem=pem))
    assert Assignment.decode(sent.encode()).certificate == sent.certificate
    assert "secret" not in repr(sent) + repr(HANDED)


def test_s10_keys_are_not_shown() -> None:
    keys = KEYS._replace(strict=STRICT)
    shown = repr(keys) + repr(SENT._replace(keys=keys))
    assert "secret enc" not in shown
    assert "secret mac" not in shown
    assert "a sealing key" not in shown


@pytest.mark.parametrize(
    "change",
    [
        {"format": 4},
        {"format": None},
        {"slot_of_the_future": 1, "salt": None},
        {"config": {"of_the_future": True}},
        {"seat": "../../3"},
        {"keys": "no base64"},
        {"keys": "Zm9v"},
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
