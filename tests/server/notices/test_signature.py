"""The signature of a webhook, as Standard Webhooks has it."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.notices.signature import WebhookSecret

PUBLISHED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_it_is_the_signature_of_the_published_example() -> None:
    headers = WebhookSecret.parse(PUBLISHED.encode()).headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_another_id_time_or_body_has_another_signature() -> None:
    secret = WebhookSecret.parse(PUBLISHED.encode())
    asked = [("a", 1, b"x"), ("b", 1, b"x"), ("a", 2, b"x"), ("a", 1, b"y")]
    signed = {secret.headers(*one)["webhook-signature"] for one in asked}
    assert len(signed) == len(asked)


@settings(deadline=None)
@given(st.binary(min_size=24, max_size=64))
def test_a_secret_is_read_as_it_is_written(octets: bytes) -> None:
    secret = WebhookSecret(octets)
    assert WebhookSecret.parse(f"{secret.format()}\n".encode()).format() == secret.format()


@pytest.mark.parametrize(
    "text",
    [b"", b"whsec_", b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b"whsec_!", b"whsec_\xff", b"whsec_AAAA",
     b"whsec_" + base64.b64encode(bytes(23)), b"whsec_" + base64.b64encode(bytes(65))],
)  # fmt: skip
def test_what_is_no_secret_is_refused_without_being_shown(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"it (is not|has)") as refusal:
        WebhookSecret.parse(text)
    assert "AAAA" not in str(refusal.value)


def test_s10_a_secret_is_not_shown() -> None:
    secret = WebhookSecret.parse(PUBLISHED.encode())
    for shown in (repr(secret), str(secret), f"{[secret]}", json.dumps([secret], default=repr)):
        assert "MfKQ" not in shown
