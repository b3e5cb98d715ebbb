"""Signatures: HMAC-SHA-1 as published, compared safely whatever a client sends."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation.signature import EMPTY_KEY, ApiKey

KEY = ApiKey(b"a secret of twenty oc")
LINE = b"id=1&otp=cccc"


@pytest.mark.parametrize(
    ("secret", "line", "digest"),
    [
        (b"\x0b" * 20, b"Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
        (b"Jefe", b"what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        (b"\xaa" * 20, b"\xdd" * 50, "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
        (
            b"\xaa" * 80,
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "aa4ae5e15272d00e95705637ce8a3b55ed402112",
        ),
    ],
)
def test_the_vectors_of_rfc_2202(secret: bytes, line: bytes, digest: str) -> None:
    assert b64decode(ApiKey(secret).sign(line)).hex() == digest


def test_a_signature_that_a_real_client_made() -> None:
    key = ApiKey(b64decode("mG5be6ZJU1qBGz24yPh/ESM3UdU="))
    line = (
        b"id=1&nonce=jrFwbaYFhn0HoxZIsd9LQ6w2ceU&otp=vvungrrdhvtklknvrtvuvbbkeidikkvgglrvdgrfcdft"
    )
    assert key.verifies(line, "+ja8S3IjbX593/LAgTBixwPNGX4=")


@given(st.binary(max_size=200), st.binary(max_size=300))
def test_it_signs_as_the_standard_library_does(secret: bytes, line: bytes) -> None:
    expected = b64encode(hmac.digest(secret, line, "sha1")).decode()
    key = ApiKey(secret)
    assert key.sign(line) == expected
    assert key.verifies(line, expected)


def test_a_key_signs_more_than_once() -> None:
    assert KEY.sign(LINE) == KEY.sign(LINE) != KEY.sign(LINE + b"c")


def test_the_empty_key_is_a_key_like_any_other() -> None:
    assert EMPTY_KEY.sign(LINE) == b64encode(hmac.digest(b"", LINE, "sha1")).decode()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good[:0],
        lambda good: good[:-1],
        lambda good: good + "=",
        lambda good: good + "\n",
        lambda good: " " + good,
        lambda good: good * 1000,
        lambda good: good.swapcase(),
        lambda good: good.replace("=", ""),
        lambda good: "=" * len(good),
        lambda good: "\0" * len(good),
        lambda good: good[:-1] + "\uff1d",  # a full-width =
        lambda good: good[:-1] + "\udc80",  # an octet that was no UTF-8
        lambda good: good[:-2] + chr(ord(good[-2]) + 1) + "=",  # the same octets, spelt otherwise
    ],
)
def test_s8_anything_but_the_signature_is_refused_safely(spoil: Callable[[str], str]) -> None:
    good = KEY.sign(LINE)
    assert KEY.verifies(LINE, good)
    assert KEY.verifies(LINE, spoil(good)) is False


@given(st.text(max_size=40))
def test_s8_no_text_is_dangerous(signature: str) -> None:
    assert KEY.verifies(LINE, signature) is (signature == KEY.sign(LINE))


def test_the_key_is_not_shown() -> None:
    assert repr(KEY) == "ApiKey(<hidden>)"
    assert not hasattr(KEY, "__dict__")
