"""Profiles: what is not understood is refused whole; what they say of names is kept."""

import pytest

from hsm.provisioning.certificates.errors import IssuingError, RequestRefusedError
from hsm.provisioning.certificates.names import Names
from hsm.provisioning.certificates.profiles import Profile, packaged_profile, parse_profile

GOOD = """
format = 1
name = "mail"
validity_days = 30
keys = ["p256"]
key_usage = ["digital-signature"]
extended_key_usage = ["client-auth"]
[subject]
required = ["common-name"]
allowed = ["organization"]
[alternative_names]
allowed = ["dns", "email"]
dns_within = ["example.org"]
"""


def mail() -> Profile:
    return parse_profile(GOOD, "mail.toml")


@pytest.mark.parametrize("name", ["root-ca", "tls-client", "tls-server"])
def test_the_packaged_profiles_are_understood(name: str) -> None:
    profile = packaged_profile(name)
    assert profile.name == name
    assert profile.is_ca == (name == "root-ca")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("format = 1", "format = 2"), "format"),
        (("keys =", "keyz ="), "keyz|keys"),
        (('["p256"]', '["p257"]'), "keys"),
        (('["p256"]', "[]"), "keys"),
        (("validity_days = 30", "validity_days = 0"), "validity_days"),
        (("validity_days = 30", 'validity_days = "30"'), "validity_days"),
        (('"digital-signature"', '"key-cert-sign"'), "no CA"),
        (('extended_key_usage = ["client-auth"]', ""), "what it is for"),
        (("keys =", "path_length = 0\nkeys ="), "needs key-cert-sign"),
        (('required = ["common-name"]', ""), "names somebody"),
        (("format = 1", "format = ["), "no TOML"),
    ],
)
def test_a_profile_with_a_fault_is_refused_and_named(change: tuple[str, str], why: str) -> None:
    with pytest.raises(IssuingError, match=why) as refused:
        parse_profile(GOOD.replace(*change), "mail.toml")
    assert "mail.toml" in str(refused.value)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (Names(), "wants common-name"),
        (Names((("common-name", "a"), ("country", "SE"))), "allows no country"),
        (Names((("common-name", "a"), ("common-name", "b"))), "twice"),
        (Names((("common-name", " "),)), "empty"),
        (Names((("common-name", "a\x07"),)), "cannot be shown"),
        (Names((("common-name", "a"),), (("ip", "192.0.2.1"),)), "kind ip"),
        (Names((("common-name", "a"),), (("dns", "example.com"),)), "no names in example.com"),
        (Names((("common-name", "a"),), (("dns", "evilexample.org"),)), "evilexample"),
        (Names((("common-name", "a"),), (("email", "a@example.com"),)), "example.com"),
    ],
)
def test_names_against_the_rules_are_refused(names: Names, why: str) -> None:
    assert why in mail().fault_of(names)


@pytest.mark.parametrize(
    "alternative",
    [("dns", "example.org"), ("dns", "a.b.Example.org"), ("email", "ann@mail.example.org")],
)
def test_names_within_the_rules_are_not(alternative: tuple[str, str]) -> None:
    assert not mail().fault_of(Names((("common-name", "a"),), (alternative,)))


@pytest.mark.parametrize(
    "names",
    [
        Names((("country", "Sweden"),)),
        Names((("nonsense", "x"),)),
        Names((), (("ip", "not an address"),)),
        Names((), (("dns", "ä.example.org"),)),
        Names((), (("nonsense", "x"),)),
    ],
)
def test_names_that_x509_cannot_carry_are_refused(names: Names) -> None:
    with pytest.raises(RequestRefusedError, match="cannot be written"):
        (names.subject(), names.alternative_names())
