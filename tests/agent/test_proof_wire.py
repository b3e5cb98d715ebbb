"""What proofs are bound to: every part of it counts, and none can be read as another."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from agent.http_client import HttpAnswer
from agent.identity import Identity
from agent.policy import Policy
from agent.proof_wire import (
    ANSWER_CONTEXT,
    CHALLENGE_CONTEXT,
    CHALLENGES,
    CHANNEL_CONTEXT,
    KEY_SIGNED_CONTEXT,
    SIGNATURE_CONTEXT,
    Challenge,
    Nameless,
    answer_input,
    key_name,
)
from agent.report import ENROLMENT_CONTEXT, REPORT_CONTEXT
from agent.report import Identity as KeyIdentity
from agent.server_voice import WrongServerError, check_answer
from server.fleet.server_identity import ServerIdentity

HOST = "ab" * 16
CHALLENGE = Challenge(b"s" * 32, HOST, b"n" * 32, "serial:12345678")


def test_the_digest_is_what_the_documentation_says() -> None:
    told = b"".join(
        len(one).to_bytes(2, "big") + one
        for one in (b"s" * 32, HOST.encode(), b"n" * 32, b"serial:12345678")
    )
    expected = hashlib.sha256(b"keystead-key-signed-v1\x00" + told).digest()
    assert CHALLENGE.digest() == expected


@pytest.mark.parametrize(
    "other",
    [
        CHALLENGE._replace(server_key=b"t" * 32),
        CHALLENGE._replace(host="cd" * 16),
        CHALLENGE._replace(nonce=b"m" * 32),
        CHALLENGE._replace(key="serial:12345679"),
        CHALLENGE._replace(key="hash:" + "0" * 64),
    ],
)
def test_a_signature_is_for_one_server_host_nonce_and_key(other: Challenge) -> None:
    assert other.digest() != CHALLENGE.digest()


@given(nonce=st.binary(max_size=80))
def test_a_nonce_of_another_size_is_never_signed(nonce: bytes) -> None:
    challenge = CHALLENGE._replace(nonce=nonce)
    if len(nonce) == 32:
        assert challenge.digest() != nonce
    else:
        with pytest.raises(ValueError, match="32 octets"):
            challenge.digest()


def test_no_context_begins_with_another() -> None:
    contexts = [
        ANSWER_CONTEXT,
        CHALLENGE_CONTEXT,
        CHANNEL_CONTEXT,
        ENROLMENT_CONTEXT,
        KEY_SIGNED_CONTEXT,
        REPORT_CONTEXT,
        SIGNATURE_CONTEXT,
    ]
    for one in contexts:
        assert one.endswith(b"\x00")
        assert [other for other in contexts if other.startswith(one)] == [one]


def test_a_key_is_named_as_in_reports_and_one_without_a_serial_is_not() -> None:
    assert key_name(KeyIdentity(serial=7)) == "serial:7"
    assert key_name(KeyIdentity(serial_hash="0f" * 32)) == "hash:" + "0f" * 32
    with pytest.raises(Nameless):
        key_name(KeyIdentity(kind="0f" * 32))


def test_an_answer_is_believed_from_the_enrolled_server_alone_and_to_its_request() -> None:
    server = ServerIdentity(bytes(range(32)))
    signature = server.sign_answer(CHALLENGES, b"asked", 200, b"{}")
    answer = HttpAnswer(200, None, {}, b"{}", signature)
    check_answer(server.public_key, CHALLENGES, b"asked", answer)
    stranger = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    for key, path, request, found in (
        (stranger, CHALLENGES, b"asked", answer),
        (server.public_key, "/fleet/v1/channels", b"asked", answer),
        (server.public_key, CHALLENGES, b"asked otherwise", answer),
        (server.public_key, CHALLENGES, b"asked", answer._replace(content=b"{} ")),
        (server.public_key, CHALLENGES, b"asked", answer._replace(status=201)),
        (server.public_key, CHALLENGES, b"asked", answer._replace(signature="")),
        (server.public_key, CHALLENGES, b"asked", answer._replace(signature="ed25519=AAAA")),
    ):
        with pytest.raises(WrongServerError):
            check_answer(key, path, request, found)


def test_the_path_and_the_request_cannot_be_exchanged_for_each_other() -> None:
    assert answer_input("/a", b"b", 200, b"") != answer_input("/a\x00b", b"", 200, b"")


def test_a_servers_key_once_known_stays_whatever_is_said_later() -> None:
    first, second = ({"server_key": text * 43 + "="} for text in ("A", "E"))
    policy = Policy().changed(first | {"proofs": ["signed", "guessed"]})
    assert policy.proofs == ("signed",)
    assert policy.changed(second).server_key == policy.server_key == bytes(32)
    assert Policy().changed(policy.as_json()) == policy


def test_a_servers_key_is_not_what_a_host_shows_of_itself() -> None:
    identity = Identity.fresh("https://keystead.example", "laptop", "")
    assert "secret" not in repr(identity)
