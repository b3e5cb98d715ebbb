"""What may be put under load: our own machine, what was named, and never Yubico."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loadtest.allowlist import HostRefusedError, admit


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
    with pytest.raises(HostRefusedError, match="--keystead-allow-host"):
        admit(target)


def test_a_named_host_may_be_loaded_and_nothing_below_or_above_it() -> None:
    named = ["Otp.Example.org", "10.0.0.7"]
    assert admit("https://otp.example.org:8443/", named) == "otp.example.org"
    assert admit("http://10.0.0.7", named) == "10.0.0.7"
    for other in ("https://example.org", "https://a.otp.example.org", "http://10.0.0.70"):
        with pytest.raises(HostRefusedError):
            admit(other, named)


@pytest.mark.parametrize(
    "host", ["yubico.com", "api.yubico.com", "API2.Yubico.COM", "yubico.com.", "a.b.yubico.com"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_yubico_is_refused_even_when_somebody_names_it(scheme: str, host: str) -> None:
    with pytest.raises(HostRefusedError, match="never a target"):
        admit(f"{scheme}://{host}", [host, "yubico.com", "api.yubico.com"])


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
