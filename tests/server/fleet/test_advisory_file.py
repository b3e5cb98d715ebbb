"""The file of advisories: believed under a trusted key only, and understood as a whole or not."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from server.fleet.advisory_file import (
    read_document,
    shipped,
    verify,
)
from server.fleet.firmware import Version
from server.fleet.product_lines import ProductLine
from server.fleet.signed_file import UntrustedFileError
from server.fleet.software import Release
from server.journal.canonical import MalformedError, canonical
from tests.server.fleet.advisory_files import KEY, OTHER, PUBLIC, advisory, document, enveloped


def read(envelope: dict[str, Any]) -> object:
    return verify(json.dumps(envelope).encode(), [PUBLIC])


def test_a_file_under_a_trusted_key_is_read() -> None:
    found = verify(json.dumps(enveloped(document())).encode(), [PUBLIC])
    assert (found.edition, found.issued) == (7, date(2026, 11, 27))
    assert [one.advisory_id for one in found.advisories] == ["YSA-2099-01"]
    assert found.software[0].concerns("pam-u2f", Release.parse("1.3.0"))
    assert found.lifecycle[0].concerns(ProductLine.FIPS_5, Version(5, 4, 3))
    assert not found.lifecycle[0].concerns(ProductLine.FIPS_5, Version(5, 7, 4))


def test_a_file_under_another_key_is_refused() -> None:
    with pytest.raises(UntrustedFileError, match="not among the trusted"):
        read(enveloped(document(), OTHER))


def test_a_file_that_claims_a_trusted_key_is_refused() -> None:
    claimed = enveloped(document(), OTHER) | {"key": enveloped(document())["key"]}
    with pytest.raises(UntrustedFileError, match="signature"):
        read(claimed)


def test_a_file_that_was_altered_is_refused() -> None:
    altered = enveloped(document())
    altered["document"] = document(edition=8)
    with pytest.raises(UntrustedFileError, match="signature"):
        read(altered)


def test_a_signature_made_for_something_else_is_refused() -> None:
    value = document()
    other_purpose = enveloped(value) | {"signature": KEY.sign(canonical(value)).hex()}
    with pytest.raises(UntrustedFileError, match="signature"):
        read(other_purpose)


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda d: d | {"format": 2}, "upgrade"),
        (lambda d: d | {"edition": 0}, "editions"),
        (lambda d: d | {"issued": "27 November"}, "day"),
        (lambda d: d | {"advisories": [advisory(condition="a guess")]}, "condition"),
        (lambda d: d | {"advisories": [advisory(), advisory()]}, "twice"),
        (lambda d: d | {"advisories": [advisory(title="two\nlines")]}, "one line"),
        (lambda d: d | {"advisories": [advisory(more=1)]}, "more"),
        (lambda d: d | {"advisories": ["YSA"]}, "objects"),
        (lambda d: d | {"advisories": [advisory()] * 2001}, "2,001|2,000"),
        (lambda d: d | {"lifecycle": [{**d["lifecycle"][0], "firmware": "new"}]}, "lifecycle"),
        (lambda d: d | {"lifecycle": [{**d["lifecycle"][0], "line": "YubiKey 9"}]}, "lifecycle"),
        (lambda d: d | {"software": [{**d["software"][0], "below": "soon"}]}, "release"),
        (lambda d: {name: d[name] for name in d if name != "software"}, "software"),
    ],
)
def test_a_signed_file_that_is_not_understood_is_refused_as_a_whole(
    spoil: Callable[[dict[str, Any]], dict[str, Any]], word: str
) -> None:
    with pytest.raises(MalformedError, match=word):
        read(enveloped(spoil(document())))


@pytest.mark.parametrize(
    "product",
    [
        {"line": "YubiKey 9", "from": None, "below": None, "of": "firmware", "nfc": False},
        {"line": "YubiKey 5", "from": "5.7", "below": None, "of": "firmware", "nfc": False},
        {"line": "YubiKey 5", "from": "5.7.0", "below": "5.7.0", "of": "firmware", "nfc": False},
        {"line": "YubiKey 5", "from": None, "below": None, "of": "weather", "nfc": False},
        {"line": "YubiKey 5", "from": None, "below": None, "of": "firmware"},
        "YubiKey 5",
    ],
)
def test_a_product_that_is_not_understood_names_its_advisory(product: object) -> None:
    with pytest.raises(MalformedError, match="YSA-2099-01"):
        read_document(document(advisories=[advisory(affects=[product])]))


def test_what_ships_is_read_and_knows_the_ones_that_matter() -> None:
    found = shipped()
    critical = {one.advisory_id for one in found.advisories if one.critical}
    assert critical == {"YSA-2017-01", "YSA-2019-02", "YSA-2024-03"}
    packages = {one.package for one in found.software}
    assert {"yubikey-manager", "yubico-piv-tool", "yubihsm-shell"} <= packages


def test_releases_are_compared_by_numbers() -> None:
    assert Release.parse("2.40") > Release.parse("2.9")
    assert Release.parse("1.7.0") == Release.parse("1.7")
    assert str(Release.parse("1.10.0")) == "1.10"


def test_a_package_from_a_release_on_is_clear_before_it() -> None:
    (since,) = [one for one in shipped().software if one.package == "java-webauthn-server"]
    assert not since.concerns("java-webauthn-server", Release.parse("2.7.9"))
    assert since.concerns("java-webauthn-server", Release.parse("2.8.0"))
    assert not since.concerns("java-webauthn-server", Release.parse("2.8.2"))
    assert not since.concerns("another", Release.parse("2.8.0"))
