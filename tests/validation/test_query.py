"""Query strings are decoded as every form is, within caps, and signed over what was meant."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation import query
from validation.signature import ApiKey

PIECES = st.sampled_from(
    [b"id", b"otp", b"h", b"&", b"=", b"+", b"%", b"%3D", b"%3d", b"%26", b"%2B", b"%zz", b"%4"]
)
QUERIES = st.lists(PIECES | st.binary(max_size=3), max_size=40).map(b"".join)


def as_the_standard_library_reads(sent: bytes) -> list[tuple[bytes, bytes]]:
    found = parse_qsl(sent.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in found]


@given(QUERIES)
def test_parameters_are_decoded_as_in_every_form(sent: bytes) -> None:
    assert query.pairs(sent) == as_the_standard_library_reads(sent)


@given(QUERIES)
def test_the_quick_reading_says_what_the_plain_one_says(sent: bytes) -> None:
    found = as_the_standard_library_reads(sent)
    names = [name for name, _ in found]
    parameters = query.read(sent)
    if len(set(names)) < len(names) or sent.count(b"&") >= query.MAX_PARAMETERS:
        assert parameters is None
        assert query.sent_once(sent) == {
            name: value for name, value in found if names.count(name) == 1
        }
    else:
        assert parameters == dict(found)


@pytest.mark.parametrize(
    "sent", [b"h=%3D&id=1", b"h=a+b&id=1", b"h=a+%2B&id=%31", b"%68=%3D", b"id=1&h=%", b"=x=5&y"]
)
def test_escapes_are_decoded_wherever_they_stand(sent: bytes) -> None:
    assert query.read(sent) == dict(as_the_standard_library_reads(sent))


def test_an_escape_is_decoded_once() -> None:
    assert query.read(b"a=%2541&h=%253D") == {b"a": b"%41", b"h": b"%3D"}


def test_a_query_is_read_up_to_its_caps() -> None:
    longest = b"a=".ljust(query.MAX_OCTETS, b"x")
    assert query.read(longest) is not None
    assert query.read(longest + b"x") is None
    assert query.sent_once(longest + b"x") == {}
    most = b"&".join(b"p%d=" % number for number in range(query.MAX_PARAMETERS))
    assert query.read(most) is not None
    assert query.read(most + b"&q=") is None


def test_repeats_are_refused_and_the_rest_can_be_told() -> None:
    assert query.read(b"id=1&a=2&a=2") is None
    assert query.read(b"id=1&%61=2&a=2") is None
    assert query.sent_once(b"id=1&a=2&a=2&a=2") == {b"id": b"1"}


def test_names_decide_the_order_of_the_signed_line() -> None:
    # "=" stands above the digits: sorting the joined texts would put a1 first.
    assert query.signed_line({b"a1": b"x", b"a": b"y", b"B": b"z"}) == b"B=z&a=y&a1=x"


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=8))
def test_what_is_composed_is_read_back_and_its_signature_verifies(
    parameters: dict[str, str],
) -> None:
    parameters.pop("h", None)
    if parameters == {"": ""}:
        return  # a lone "=" apart, every parameter has a name or a value
    key = ApiKey(b"secret")
    unsigned = query.read(query.compose(parameters).encode())
    sent = {name.encode(): value.encode() for name, value in parameters.items()}
    assert unsigned == sent
    signed = query.read(query.compose(parameters, key).encode())
    assert signed is not None
    assert key.verifies(query.signed_line(sent), signed.pop(b"h").decode())
    assert signed == sent
