"""A release opens for its order, YubiKey, station and time, with the station's key alone."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from hsm.provisioning.release import (
    Release,
    ReleaseContext,
    ReleaseRefusedError,
    open_release,
    seal_release,
)
from hsm.vault import OtpKeySecrets
from validation.modhex import ALPHABET

STATION_KEY = X25519PrivateKey.from_private_bytes(bytes(range(32)))
CONTEXT = ReleaseContext("order-7", "cccccccccccb", 1, 12345678, "station-1", 1_000_000)
SECRETS = OtpKeySecrets(b"CANARY-AES-KEY-1", b"CANARY")

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=32)
contexts = st.builds(
    ReleaseContext,
    order=names,
    public_id=st.text(ALPHABET, max_size=16),
    generation=st.integers(1, 2**63 - 1),
    serial=st.integers(0, 2**63 - 1),
    station=names,
    expires_us=st.integers(0, 2**63 - 1),
)


def opened(
    message: bytes,
    *,
    key: X25519PrivateKey = STATION_KEY,
    order: str = "order-7",
    serial: int = 12345678,
    station: str = "station-1",
    now_us: int = 999_999,
) -> tuple[ReleaseContext, OtpKeySecrets]:
    return open_release(message, key, order=order, serial=serial, station=station, now_us=now_us)


def sealed() -> bytes:
    return seal_release(CONTEXT, SECRETS, STATION_KEY.public_key()).format()


def test_the_station_gets_what_was_minted() -> None:
    assert opened(sealed()) == (CONTEXT, SECRETS)


@pytest.mark.parametrize(
    ("expected", "why"),
    [
        ({"order": "order-8"}, "another order"),
        ({"serial": 1}, "another serial"),
        ({"station": "station-2"}, "another station"),
        ({"now_us": 1_000_000}, "expired"),
        ({"key": X25519PrivateKey.generate()}, "another station's key"),
    ],
)
def test_it_opens_for_nothing_else(expected: dict[str, object], why: str) -> None:
    with pytest.raises(ReleaseRefusedError, match=why):
        opened(sealed(), **expected)  # type: ignore[arg-type] # one argument or another


@pytest.mark.parametrize("name", ReleaseContext._fields)
def test_a_message_whose_context_was_exchanged_does_not_open(name: str) -> None:
    value = getattr(CONTEXT, name)
    other: Any = value + 1 if isinstance(value, int) else value + "c"
    forged = CONTEXT._replace(**{name: other})
    release = Release.parse(sealed())._replace(context=forged)
    with pytest.raises(ReleaseRefusedError):
        opened(
            release.format(),
            order=forged.order,
            serial=forged.serial,
            station=forged.station,
        )


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_any_changed_octet_is_refused(place: int, change: int) -> None:
    message = bytearray(sealed())
    message[place % len(message)] ^= change
    with pytest.raises(ReleaseRefusedError):
        opened(bytes(message))


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda tail: b"ksrel01\0" + tail))
def test_whatever_else_arrives_is_refused_and_breaks_nothing(message: bytes) -> None:
    with pytest.raises(ReleaseRefusedError):
        opened(message)


@given(contexts)
def test_contexts_survive_the_wire_and_are_told_apart(context: ReleaseContext) -> None:
    assert ReleaseContext.unpack(context.pack() + b"rest") == (context, b"rest")


@given(contexts, contexts)
def test_no_two_contexts_have_the_same_octets(one: ReleaseContext, other: ReleaseContext) -> None:
    assert (one.pack() == other.pack()) == (one == other)


@pytest.mark.parametrize(
    "wrong",
    [
        {"order": ""},
        {"station": "s" * 129},
        {"public_id": "a"},
        {"public_id": "c" * 17},
        {"generation": 0},
        {"serial": -1},
        {"expires_us": 2**64},
    ],
)
def test_a_context_of_the_wrong_form_is_refused_before_anything_is_sealed(
    wrong: dict[str, object],
) -> None:
    with pytest.raises(ValueError, match=r"octets|modhex|count"):
        seal_release(CONTEXT._replace(**wrong), SECRETS, STATION_KEY.public_key())  # type: ignore[arg-type] # wrong on purpose


def test_nothing_that_is_said_of_a_release_shows_the_secret() -> None:
    release = seal_release(CONTEXT, SECRETS, STATION_KEY.public_key())
    said = [repr(release), repr(SECRETS), repr(release.format()), str(release.context)]
    for message in (sealed()[:-1], sealed() + b"x", b"", sealed()):
        try:
            opened(message, order="another")
        except ReleaseRefusedError as refused:
            said.append(str(refused) + repr(refused.__context__))
    assert len(said) == 8
    assert not any("CANARY" in one for one in said)
    assert b"CANARY" not in release.format()
