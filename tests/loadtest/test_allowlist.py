"""What may be put under load: our own machine, what was named, and never Yubico."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loadtest.allowlist import HostRefusedError, admit, admit_alias, admit_redirect


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:8080",
        "http://localhost:8080/",
        "https://LOCALHOST",
        "http://localhost.:8080",
        "http://[::1]:8080",
        "http://[0:0:0:0:0:0:0:1]",
    ],
)
def test_the_loopback_may_be_loaded_without_naming_it(target: str) -> None:
    assert admit(target) in {"127.0.0.1", "localhost", "::1"}


@pytest.mark.parametrize(
    "target",
    [
        "http://validation.example.org",
        "http://10.0.0.7:8080",
        "http://127.0.0.2",
        "http://localhost.example.org",
        "http://127.0.0.1.example.org",
        "http://0x7f.1",
    ],
)
def test_another_host_is_refused_and_the_message_says_how_to_allow_it(target: str) -> None:
    with pytest.raises(HostRefusedError, match="--allow-host"):
        admit(target)


def test_a_named_host_may_be_loaded_and_nothing_below_or_above_it() -> None:
    named = ["Otp.Example.org", "10.0.0.7"]
    assert admit("https://otp.example.org:8443/", named) == "otp.example.org"
    assert admit("http://10.0.0.7", named) == "10.0.0.7"
    for other in ("https://example.org", "https://a.otp.example.org", "http://10.0.0.70"):
        with pytest.raises(HostRefusedError):
            admit(other, named)


@pytest.mark.parametrize(
    "host",
    [
        "yubico.com",
        "api.yubico.com",
        "API2.Yubico.COM",
        "yubico.com.",
        "yubico.com..",
        "a.b.yubico.com",
        "api.yubico\u3002com",  # an ideographic full stop
        "api\uff0eyubico\uff61com",  # full and half width
        "\uff41\uff50\uff49.\uff39ubico.com",  # full-width letters
        "yub\u00adico.com",  # a soft hyphen, which names do not keep
        "yubico\u200b.com",  # a space of no width
        "\u24e8ubico.com",  # a circled letter
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_yubico_is_refused_even_when_somebody_names_it(scheme: str, host: str) -> None:
    with pytest.raises(HostRefusedError, match="never a target"):
        admit(f"{scheme}://{host}", [host, "yubico.com", "api.yubico.com"])


@pytest.mark.parametrize(
    "host",
    [
        "yub%69co.com",
        "yubico%2ecom",
        "yubico.com%00",
        "\u0443ubico.com",
        "xn--.com",
        "a..b",
        "*.com",
    ],
)
def test_a_name_that_is_no_plain_name_is_refused_even_when_somebody_names_it(host: str) -> None:
    with pytest.raises(HostRefusedError):
        admit(f"http://{host}", [])
    for named in ("yubico.com", "localhost"):
        with pytest.raises(HostRefusedError):
            admit(f"http://{host}", [named])


def test_a_name_of_ones_own_that_is_an_alias_of_yubico_is_refused() -> None:
    with pytest.raises(HostRefusedError, match="never a target"):
        admit_alias("otp.example.org", lambda _: ["API.Yubico.com."])
    admit_alias("otp.example.org", lambda _: ["front.example.org", "yubico.com.example.org"])
    admit_alias("localhost")


@pytest.mark.parametrize(
    "location",
    ["/wsapi/2.0/verify?id=1", "elsewhere?next=//api.yubico.com", "http://localhost:9/"],
)
def test_a_redirect_within_what_may_be_loaded_is_no_reason_to_stop(location: str) -> None:
    admit_redirect(location)


@pytest.mark.parametrize(
    "location",
    [
        "https://api.yubico.com/wsapi/2.0/verify",
        "//api.yubico.com/",
        "//API.YUBICO.COM./",
        "http://192.0.2.1/",
        "gopher://localhost/",
    ],
)
def test_a_redirect_to_another_host_is_refused(location: str) -> None:
    with pytest.raises(HostRefusedError):
        admit_redirect(location)


def test_a_host_that_only_ends_in_the_same_letters_is_somebody_elses() -> None:
    assert admit("http://notyubico.com", ["notyubico.com"]) == "notyubico.com"


@pytest.mark.parametrize(
    "target",
    [
        "",
        "127.0.0.1:8080",
        "localhost",
        "//localhost",
        "file:///etc/hosts",
        "ftp://localhost",
        "http://",
        "http://[::1",
        "http://localhost@api.yubico.com/",
        "http://api.yubico.com\\@localhost/",
        "http://local host",
        "http://localhost\t.example.org",
        "http://localhost:http",
    ],
)
def test_what_a_parser_and_a_client_might_read_differently_is_refused(target: str) -> None:
    with pytest.raises(HostRefusedError):
        admit(target, ["api.yubico.com", "example.org"])


@given(st.text(max_size=60))
@example("http://[")
def test_any_text_is_admitted_as_a_loopback_host_or_refused(text: str) -> None:
    for target in (text, f"http://{text}", f"https://localhost{text}"):
        try:
            assert admit(target) in {"localhost", "127.0.0.1", "::1"}
        except HostRefusedError:
            continue
