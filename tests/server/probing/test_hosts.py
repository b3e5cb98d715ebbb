"""S: the prober asks hosts that somebody named, and Yubico's service under no spelling."""

from urllib.parse import urlsplit

import pytest

from server.probing.hosts import HostRefusedError, admit, admit_aliases


@pytest.mark.parametrize(
    ("url", "named", "host"),
    [
        ("https://otp.example.org", "otp.example.org", "otp.example.org"),
        ("https://OTP.example.org.:8443/x", "otp.EXAMPLE.org", "otp.example.org"),
        ("http://[::0001]:8080", "::1", "::1"),
        ("http://127.0.0.1:8080", "127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_host_that_was_named_is_admitted_in_its_one_spelling(
    url: str, named: str, host: str
) -> None:
    assert admit(url, [named]) == host


@pytest.mark.parametrize(
    "url",
    [
        "https://yubico.com",
        "https://api.yubico.com",
        "https://API5.Yubico.COM.:443/wsapi",
        "https://api.yubico\u3002com",
        "https://\uff59ubico.com",
    ],
)
def test_yubicos_service_is_refused_whatever_the_list_says(url: str) -> None:
    with pytest.raises(HostRefusedError, match="never probed"):
        admit(url, ["api.example.org"])
    with pytest.raises(HostRefusedError, match="never probed"):
        admit("https://otp.example.org", [urlsplit(url).hostname or ""])


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example.org",
        "https://otp.example.org@evil.example",
        "https://otp.example.org\\@evil.example",
        "ftp://otp.example.org",
        "https://otp.example.org:x",
        "https://otp.example.org?x",
        "otp.example.org",
        "https://",
        "https:// otp.example.org",
        "https://a_b..c",
    ],
)
def test_whatever_was_not_named_or_has_two_readings_is_refused(url: str) -> None:
    with pytest.raises(HostRefusedError):
        admit(url, ["otp.example.org"])


def test_a_name_of_ones_own_that_leads_to_yubico_is_refused() -> None:
    with pytest.raises(HostRefusedError):
        admit_aliases("otp.example.org", lambda _: ["api.yubico.com."])
    admit_aliases("otp.example.org", lambda _: ["notyubico.com"])
    admit_aliases("localhost")
