"""Requests: every rule of the parameter table, and no query that could do harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation import query
from validation.otp import parse_otp
from validation.request import MalformedRequest, Protocol, VerifyRequest, parse_request
from validation.signature import ApiKey
from validation.status import Status

OTP = "cccccccccccbdteffujehknhfjbrjnlnldnhcujvddbi"
NONCE = "abcdefghijklmnop"
GOOD = {"id": "87", "nonce": NONCE, "otp": OTP}
KEY = ApiKey(b"an api key")


def parsed(
    parameters: dict[str, str], protocol: Protocol = Protocol.V2
) -> VerifyRequest | MalformedRequest:
    return parse_request(query.compose(parameters), protocol)


def accepted(parameters: dict[str, str], protocol: Protocol = Protocol.V2) -> VerifyRequest:
    request = parsed(parameters, protocol)
    assert isinstance(request, VerifyRequest), request
    return request


def refused(sent: str | bytes, protocol: Protocol = Protocol.V2) -> MalformedRequest:
    request = parse_request(sent, protocol)
    assert isinstance(request, MalformedRequest), request
    return request


def test_a_plain_request_is_read() -> None:
    assert accepted(GOOD) == VerifyRequest(
        client_id=87,
        otp=parse_otp(OTP),
        nonce=NONCE,
        signature="",
        signed_line=f"id=87&nonce={NONCE}&otp={OTP}".encode(),
        wants_timestamp=False,
        sync_level=None,
        timeout=None,
    )


@pytest.mark.parametrize(
    ("text", "client_id"),
    [("1", 1), ("01", 1), ("0000000001", 1), ("9999999999", 9_999_999_999)],
)
def test_a_client_id_is_a_decimal_number(text: str, client_id: int) -> None:
    assert accepted(GOOD | {"id": text}).client_id == client_id


@pytest.mark.parametrize(
    "text",
    ["", "0", "00", "-1", "+1", " 1", "1 ", "1\n", "1.0", "0x1", "12345678901", "\u0661", "²", "a"],
)
def test_anything_else_is_no_client_id(text: str) -> None:
    refusal = refused(query.compose(GOOD | {"id": text}))
    assert refusal == MalformedRequest(Status.MISSING_PARAMETER, None, OTP, NONCE)


@pytest.mark.parametrize("nonce", ["a" * 16, "Z9" * 20, "0" * 40])
def test_a_nonce_is_16_to_40_letters_and_digits(nonce: str) -> None:
    assert accepted(GOOD | {"nonce": nonce}).nonce == nonce


@pytest.mark.parametrize(
    "nonce",
    [
        "",
        "a" * 15,
        "a" * 41,
        "a" * 15 + "-",
        "a" * 16 + "\n",
        "é" * 16,
        "\u0663" * 16,
        "a" * 15 + "\0",
    ],
)
def test_anything_else_is_no_nonce_and_not_echoed(nonce: str) -> None:
    refusal = refused(query.compose(GOOD | {"nonce": nonce}))
    assert refusal == MalformedRequest(Status.MISSING_PARAMETER, 87, OTP, None)


@pytest.mark.parametrize(
    "injected", ["%0d%0astatus=OK", "%0astatus=OK", "%0D%0A%0D%0A", "%00", "%E2%80%A8"]
)
@pytest.mark.parametrize("name", ["nonce", "otp"])
def test_s3_no_line_is_injected_by_an_echo(name: str, injected: str) -> None:
    refusal = refused(query.compose(GOOD).replace(f"{name}={GOOD[name]}", f"{name}={injected}"))
    assert getattr(refusal, name) is None
    refusal = refused(query.compose(GOOD).replace(GOOD[name], GOOD[name] + injected))
    assert getattr(refusal, name) is None


@pytest.mark.parametrize(
    "otp", ["c" * 31, "c" * 49, "c" * 31 + "!", " " + OTP, OTP + "\n", "ﬀ" * 32]
)
def test_a_malformed_otp_is_a_bad_otp(otp: str) -> None:
    refusal = refused(query.compose(GOOD | {"otp": otp}))
    assert refusal == MalformedRequest(Status.BAD_OTP, 87, None, NONCE)


def test_an_otp_is_kept_exactly_as_sent() -> None:
    assert accepted(GOOD | {"otp": OTP.upper()}).otp.text == OTP.upper()


@pytest.mark.parametrize("name", ["id", "otp", "nonce"])
def test_what_is_absent_or_empty_is_missing(name: str) -> None:
    absent = {other: value for other, value in GOOD.items() if other != name}
    for sent in (absent, GOOD | {name: ""}):
        refusal = parsed(sent)
        assert isinstance(refusal, MalformedRequest)
        assert refusal.status is Status.MISSING_PARAMETER
        assert refusal.client_id == (None if name == "id" else 87)


@pytest.mark.parametrize(
    ("text", "level"),
    [("0", 0), ("100", 100), ("7", 7), ("07", 7), ("007", 7), ("fast", 1), ("secure", 40)],
)
def test_a_sync_level_is_a_percentage_or_one_of_two_words(text: str, level: int) -> None:
    assert accepted(GOOD | {"sl": text}).sync_level == level


@pytest.mark.parametrize(
    "text", ["", "101", "-1", "1.5", "slow", "FAST", " 1", "1\n", "0100", "\u0663"]
)
def test_anything_else_is_no_sync_level(text: str) -> None:
    refusal = refused(query.compose(GOOD | {"sl": text}))
    assert refusal == MalformedRequest(Status.MISSING_PARAMETER, 87, OTP, NONCE)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("8", 8),
        ("008", 8),
        ("0", 1),
        ("-0", 1),
        ("-7", 1),
        ("-" + "9" * 5000, 1),
        ("999999999", 999_999_999),
        ("9" * 5000, 10**9),
    ],
)
def test_a_timeout_is_any_integer(text: str, seconds: int) -> None:
    assert accepted(GOOD | {"timeout": text}).timeout == seconds


def test_s18_a_long_run_of_zeros_is_read_in_one_pass() -> None:
    # With two ways to match a zero, a pattern takes seconds for each of these.
    zeros = "0" * 16_000
    for _ in range(100):
        assert refused(f"timeout={zeros}x").status is Status.MISSING_PARAMETER
        assert accepted(GOOD | {"timeout": zeros}).timeout == 1


@pytest.mark.parametrize(
    "text", ["", "1.5", "soon", "1e3", "+1", "--1", "-", " 1", "1\n", "\u0663"]
)
def test_anything_else_is_no_timeout(text: str) -> None:
    refusal = refused(query.compose(GOOD | {"timeout": text}))
    assert refusal == MalformedRequest(Status.MISSING_PARAMETER, 87, OTP, NONCE)


@pytest.mark.parametrize(
    ("text", "wanted"), [("1", True), ("0", False), ("", False), ("11", False)]
)
def test_only_a_1_asks_for_the_timestamp(text: str, *, wanted: bool) -> None:
    assert accepted(GOOD | {"timestamp": text}).wants_timestamp is wanted


def test_the_form_is_judged_before_the_otp() -> None:
    bad_otp = {"otp": "garbled"}
    assert refused(query.compose(GOOD | bad_otp)).status is Status.BAD_OTP
    for spoilt in ({"id": "0"}, {"nonce": "short"}, {"sl": "x"}, {"timeout": "x"}):
        refusal = refused(query.compose(GOOD | bad_otp | spoilt))
        assert refusal.status is Status.MISSING_PARAMETER


class TestRepeatsAndCaps:
    @pytest.mark.parametrize("name", ["id", "otp", "nonce", "h", "sl", "anything"])
    def test_s9_a_parameter_given_twice_is_refused(self, name: str) -> None:
        sent = query.compose({"anything": "x", "sl": "1"} | GOOD, KEY)
        value = dict(part.split("=", 1) for part in sent.split("&"))[name]
        refusal = refused(f"{sent}&{name}={value}")
        assert refusal == MalformedRequest(
            Status.MISSING_PARAMETER,
            None if name == "id" else 87,
            None if name == "otp" else OTP,
            None if name == "nonce" else NONCE,
        )

    def test_s9_an_escaped_name_is_the_same_name(self) -> None:
        assert refused(f"{query.compose(GOOD)}&%69d=88").client_id is None

    def test_s2_too_many_parameters_are_refused_and_can_be_answered(self) -> None:
        many = "".join(f"&p{number}=x" for number in range(900))
        refusal = refused(query.compose(GOOD) + many)
        assert refusal == MalformedRequest(Status.MISSING_PARAMETER, 87, OTP, NONCE)

    def test_s2_a_long_query_is_not_read_at_all(self) -> None:
        refusal = refused(f"{query.compose(GOOD)}&x={'x' * 100_000}")
        assert refusal == MalformedRequest(Status.MISSING_PARAMETER, None, None, None)


class TestSignature:
    def test_it_covers_every_parameter_but_itself(self) -> None:
        sent = GOOD | {"timestamp": "1", "sl": "50", "unknown": "é &=+%", "a": ""}
        request = parse_request(query.compose(sent, KEY), Protocol.V2)
        assert isinstance(request, VerifyRequest)
        assert KEY.verifies(request.signed_line, request.signature)
        assert (
            request.signed_line
            == f"a=&id=87&nonce={NONCE}&otp={OTP}&sl=50&timestamp=1&unknown=é &=+%".encode()
        )

    @pytest.mark.parametrize("sent", ["", "&h="])
    def test_absent_or_empty_is_unsigned(self, sent: str) -> None:
        request = parse_request(query.compose(GOOD) + sent, Protocol.V2)
        assert isinstance(request, VerifyRequest)
        assert request.signature == ""

    @pytest.mark.parametrize("text", ["ab+/cd==", "ab%2B%2Fcd%3D%3D", "ab%2b/cd%3d=", "ab%20/cd=="])
    def test_it_may_stand_there_raw_or_escaped(self, text: str) -> None:
        # A raw plus arrives as a space, which base64 does not know.
        request = parse_request(f"{query.compose(GOOD)}&h={text}", Protocol.V2)
        assert isinstance(request, VerifyRequest)
        assert request.signature == "ab+/cd=="

    @pytest.mark.parametrize("octets", [b"%ff%fe", b"\xff\xfe"])
    def test_octets_that_are_no_text_are_signed_as_sent(self, octets: bytes) -> None:
        sent = query.compose(GOOD).encode() + b"&z=" + octets
        for arrived in (sent, sent.decode("utf-8", "surrogateescape")):
            request = parse_request(arrived, Protocol.V2)
            assert isinstance(request, VerifyRequest)
            assert request.signed_line.endswith(b"&z=\xff\xfe")

    def test_s8_a_signature_may_be_any_octets(self) -> None:
        request = parse_request(query.compose(GOOD).encode() + b"&h=%ff\xe9", Protocol.V2)
        assert isinstance(request, VerifyRequest)
        assert not KEY.verifies(request.signed_line, request.signature)


class TestLegacy:
    def test_it_needs_no_nonce(self) -> None:
        request = accepted({"id": "87", "otp": OTP, "timestamp": "1"}, Protocol.V1)
        assert (request.nonce, request.sync_level, request.timeout) == ("", None, None)
        assert request.wants_timestamp

    def test_later_parameters_mean_nothing_but_are_signed(self) -> None:
        request = accepted(
            {"id": "87", "otp": OTP, "nonce": "?", "sl": "x", "timeout": "x"}, Protocol.V1
        )
        assert (request.nonce, request.sync_level, request.timeout) == ("", None, None)
        assert request.signed_line == f"id=87&nonce=?&otp={OTP}&sl=x&timeout=x".encode()

    @pytest.mark.parametrize(
        ("sent", "status", "client_id"),
        [
            ({"id": "0", "otp": OTP}, Status.MISSING_PARAMETER, None),
            ({"id": "87"}, Status.MISSING_PARAMETER, 87),
            ({"id": "87", "otp": "garbled"}, Status.BAD_OTP, 87),
        ],
    )
    def test_its_refusals_echo_nothing(
        self, sent: dict[str, str], status: Status, client_id: int | None
    ) -> None:
        refusal = parsed(sent | {"nonce": NONCE}, Protocol.V1)
        assert refusal == MalformedRequest(status, client_id, None, None)


WELL_FORMED = st.fixed_dictionaries(
    {
        "id": st.integers(1, 9_999_999_999).map(str),
        "otp": st.text(alphabet="cbdefghijklnrtuv", min_size=32, max_size=48),
        "nonce": st.from_regex(r"[A-Za-z0-9]{16,40}", fullmatch=True),
    },
    optional={
        "timestamp": st.sampled_from(["0", "1"]),
        "sl": st.integers(0, 100).map(str),
        "timeout": st.integers(1, 10**8).map(str),
        "extra": st.text(max_size=20),
    },
)


@given(WELL_FORMED, st.sampled_from(Protocol), st.booleans())
def test_well_formed_requests_are_read_whole(
    parameters: dict[str, str],
    protocol: Protocol,
    as_octets: bool,  # noqa: FBT001 - hypothesis
) -> None:
    sent = query.compose(parameters, KEY)
    request = parse_request(sent.encode() if as_octets else sent, protocol)
    assert isinstance(request, VerifyRequest)
    assert request.client_id == int(parameters["id"])
    assert request.otp == parse_otp(parameters["otp"])
    assert request.wants_timestamp == (parameters.get("timestamp") == "1")
    assert KEY.verifies(request.signed_line, request.signature)
    if protocol is Protocol.V2:
        assert request.nonce == parameters["nonce"]
        assert request.sync_level == (int(parameters["sl"]) if "sl" in parameters else None)
        assert request.timeout == (int(parameters["timeout"]) if "timeout" in parameters else None)


PIECES = st.sampled_from(
    [
        *("id=", "otp=", "nonce=", "h=", "sl=", "timeout=", "timestamp=1", "&", "87", OTP, NONCE),
        *("%0d%0a", "%", "+", "'\"", "\0", "\udc80", "\ud800", "é", "\u0663", "\u212a"),
    ]
)


@given(
    st.binary(max_size=200) | st.lists(PIECES | st.text(max_size=3), max_size=20).map("".join),
    st.sampled_from(Protocol),
)
def test_s2_no_query_raises_and_nothing_malformed_is_kept(
    sent: bytes | str, protocol: Protocol
) -> None:
    request = parse_request(sent, protocol)
    if isinstance(request, VerifyRequest):
        echoed: list[str | None] = [request.otp.text, request.nonce]
    else:
        assert request.status in {Status.MISSING_PARAMETER, Status.BAD_OTP}
        echoed = [request.otp, request.nonce]
    assert request.client_id is None or 0 < request.client_id < 10**10
    for text in echoed:
        assert not text or (text.isascii() and text.isprintable() and " " not in text)


def test_a_text_that_no_octets_make_is_refused() -> None:
    refusal = refused(query.compose(GOOD) + "&x=\ud800")
    assert refusal == MalformedRequest(Status.MISSING_PARAMETER, None, None, None)
