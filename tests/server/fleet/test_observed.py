"""Reports as advisories see them: names become facts, and what is not said stays unknown."""

from collections.abc import Mapping
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.report import Identity, KeyReport, Value
from server.fleet.firmware import Version
from server.fleet.key_facts import Algorithm, Application, HeldKey, Slots
from server.fleet.observed import key_facts
from server.fleet.product_lines import lines_of
from tests.server.fleet.reports import a_key

CONFIGURED: Mapping[str, Value] = {
    "device.firmware": "5.4.3",
    "device.form_factor": "usb-c-nano",
    "device.fips_series": False,
    "device.security_key_series": False,
    "device.usb.supported": ("fido2", "otp", "piv"),
    "device.usb.enabled": ("fido2", "piv"),
    "piv.version": "5.4.3",
    "piv.slot.9a.algorithm": "ec-p256",
    "piv.slot.9a.origin": "generated",
}


def report(facts: Mapping[str, Value], unreadable: Mapping[str, str] | None = None) -> KeyReport:
    return KeyReport(Identity(serial=1), date(2026, 11, 27), None, facts, unreadable or {})


def test_a_report_becomes_what_advisories_ask_for() -> None:
    found = key_facts(report(CONFIGURED))
    assert found.firmware == Version(5, 4, 3)
    assert (found.bio, found.fips, found.security_key, found.nfc) == (False, False, False, False)
    assert found.enabled == frozenset({Application.FIDO2, Application.PIV})
    assert found.piv == Slots((HeldKey("9a", Algorithm.EC, generated=True),), complete=True)
    assert found.openpgp == Slots()


def test_a_preview_has_no_version_to_be_judged_by() -> None:
    assert key_facts(report({**CONFIGURED, "device.firmware_stage": "beta"})).firmware is None


@pytest.mark.parametrize("reason", ["absent", "in-use", "switched-off", "refused"])
def test_only_an_application_that_is_not_there_holds_no_keys(reason: str) -> None:
    facts = {name: value for name, value in CONFIGURED.items() if not name.startswith("piv")}
    found = key_facts(report(facts, {"piv": reason, "openpgp": reason}))
    assert found.piv == found.openpgp == Slots(complete=reason == "absent")


def test_a_slot_that_was_not_read_leaves_the_others_incomplete() -> None:
    found = key_facts(report(CONFIGURED, {"piv.slot.9c": "refused"}))
    assert found.piv.keys
    assert not found.piv.complete


def test_before_metadata_certificates_show_some_keys_and_never_all() -> None:
    facts: dict[str, Value] = {
        "device.firmware": "4.3.1",
        "piv.version": "4.3.1",
        "piv.certificate.9a.algorithm": "rsa2048",
        "piv.certificate.9a.roca": True,
        "piv.certificate.9c.algorithm": "ec-p384",
    }
    found = key_facts(report(facts, {"piv.slot": "unsupported"}))
    assert found.piv == Slots(
        (
            HeldKey("9a", Algorithm.RSA, generated=True),
            HeldKey("9c", Algorithm.EC, generated=None),
        ),
        complete=False,
    )


def test_openpgp_tells_which_of_its_keys_there_are() -> None:
    facts: dict[str, Value] = {
        "openpgp.key.signature.origin": "imported",
        "openpgp.key.signature.algorithm": "rsa4096",
        "openpgp.key.decryption.origin": "unknown",
        "openpgp.key.decryption.algorithm": "ecdh",
        "openpgp.key.authentication.origin": "none",
    }
    assert key_facts(report(facts)).openpgp == Slots(
        (
            HeldKey("decryption", Algorithm.UNKNOWN, generated=None),
            HeldKey("signature", Algorithm.RSA, generated=False),
        ),
        complete=True,
    )


values = st.booleans() | st.integers(0, 9) | st.text(max_size=8) | st.just(("otp",))
names = st.sampled_from([*CONFIGURED, "openpgp.key.signature.origin", "openpgp.version", "x.y"])


@given(st.dictionaries(names, values))
def test_facts_of_another_kind_than_they_should_be_are_not_known(facts: dict[str, Value]) -> None:
    found = key_facts(report(facts))
    for name, kind in (("fips", bool), ("bio", bool), ("nfc", bool), ("firmware", Version)):
        value = getattr(found, name)
        assert value is None or isinstance(value, kind)


def test_an_antenna_whose_applications_were_not_read_leaves_open_what_is_on() -> None:
    facts: dict[str, Value] = {
        "device.usb.supported": ("fido2", "otp"),
        "device.usb.enabled": ("otp",),
        "device.nfc.supported": ("fido2", "otp"),
    }
    assert key_facts(a_key(facts)).enabled is None
    told = key_facts(a_key(facts | {"device.nfc.enabled": ("otp",)}))
    assert told.enabled == frozenset({Application.OTP})


def test_a_firmware_of_zero_tells_no_line() -> None:
    assert len(lines_of(key_facts(a_key({"device.firmware": "0.0.1"})))) > 1
