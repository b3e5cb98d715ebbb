"""The manifest's parser says what is wrong, and where; what it accepts is safe to make."""

import contextlib
import re
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yubihsm.defs import ALGORITHM, AUDIT, CAPABILITY, COMMAND, OBJECT

from hsm import manifest, manifest_words
from hsm.manifest import Manifest, ManifestError, Place

TEXT = (resources.files("hsm") / "manifests" / "validation.toml").read_text("utf-8")


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ManifestError) as refused:
        manifest.parse(text.encode(), "device.toml")
    return refused.value.problems


def altered(old: str, new: str) -> str:
    assert TEXT.count(old) >= 1, old
    return TEXT.replace(old, new, 1)


@pytest.mark.parametrize("name", ["validation", "issuing"])
def test_the_packaged_manifests_are_good(name: str) -> None:
    read = manifest.packaged(name)
    assert read.name == name
    assert re.fullmatch(r"[0-9a-f]{64}", read.digest)


def test_a_manifest_is_read_as_it_is_written() -> None:
    read = manifest.validation()
    assert read.firmware == (2, 2, 0)
    assert read.options.force_audit is AUDIT.FIXED
    assert COMMAND.SET_OPTION in read.options.audited
    validator = read.role("validator")
    assert (validator.id, validator.domains, validator.held) == (0x11, 0b1, "host")
    assert validator.capabilities == CAPABILITY.DECRYPT_OTP
    otp = read.object("otp")
    assert otp.place == Place(OBJECT.OTP_AEAD_KEY, 0x0101)
    assert otp.algorithm is ALGORITHM.AES256_YUBICO_OTP
    assert otp.nonce_id == 0x6B737464
    assert len(otp.places) == 15
    assert read.object("identity").once


def test_each_device_of_one_service_has_keys_of_its_own_purpose() -> None:
    opened = {role.name for role in manifest.validation().roles}
    assert "issuer" not in opened
    assert "validator" not in {role.name for role in manifest.issuing().roles}


def test_a_name_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        manifest.validation().role("nobody")
    with pytest.raises(KeyError):
        manifest.validation().object("nothing")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('["decrypt-otp"]', '["decrypt-opt"]', 'role "validator": capabilities: .*"decrypt-otp"'),
        ("domains = [1]", "domains = [17]", 'role "validator": domains: 17 is no domain'),
        ("domains = [1]", "domains = [true]", 'role "validator": domains: True is no domain'),
        ("domains = [1]", "domains = [1, 1]", 'role "validator": domains: .*twice'),
        ('["decrypt-otp"]', '["decrypt-otp", "decrypt-otp"]', 'role "validator": capabil.*twice'),
        ('["decrypt-otp"]', "[7]", 'role "validator": capabilities: 7 is no capability'),
        ('["decrypt-otp"]', "7", 'role "validator": capabilities: '),
        ("domains = [1]", 'domains = "1"', 'role "validator": domains: '),
        ('firmware = "2.2.0"', "firmware = 2", "firmware: "),
        ("domains = [1]", "domains = []", 'role "validator": domains: '),
        ('\nheld = "host"', '\nheld = "hots"', 'role "validator": held: '),
        ("id = 0x0012", "id = 0x0011", '"provisioner" lies where another'),
        ("id = 0x0011", "id = 1", "factory's key"),
        ("id = 0x0011", "id = 0", 'role "validator": id: '),
        ("id = 0x0011", 'id = "17"', 'role "validator": id: '),
        ('name = "provisioner"', 'name = "validator"', 'two of them are called "validator"'),
        ('name = "provisioner"', 'name = "Provisioner!"', "name: "),
        ('"decrypt-otp"]', '"decrypt-otp", "put-opaque"]', "put-opaque belongs to one held by"),
        ('"decrypt-otp"]', '"decrypt-otp"]\ndelegated = ["all"]', "must not change the device"),
        ('firmware = "2.2.0"', 'firmware = "2.2"', "firmware: '2.2' is no firmware version"),
        ('firmware = "2.2.0"', 'firmware = "٢.2.0"', "firmware: "),
        ("format = 1", "format = 2", "format: "),
        ('name = "validation"', 'name = "validation"\ndigest = "x"', "digest: it is computed"),
        ('name = "validation"', 'name = "validation"\ncolour = 1', "colour: there is no such key"),
        ('force_audit = "fixed"', 'force_audit = "fix"', 'options: force_audit: .*"fixed"'),
        ('"put-wrap-key", ', '"session-message", ', "options: session-message .*deadlock"),
        ('"put-wrap-key", ', '"decrypt-otp", ', "options: decrypt-otp .*62 OTPs"),
        ('"put-wrap-key", ', '"set-option", ', "options: audited: a command is named twice"),
        ('name = "admin"', 'name = "boss"', 'a role "admin" is wanted'),
        ('["get-log-entries", "get-option"]', '["get-option"]', 'a role "auditor" is wanted'),
        ('["sign-ecdsa", "get-opaque"]', '["sign-ecdsa"]', 'a role "identity" is wanted'),
        ('algorithm = "ecp256"', 'algorithm = "ed25519"', 'an object "identity" is wanted'),
        ('algorithm = "ecp256"', 'algorithm = "aes256-ccm-wrap"', "not one of this type"),
        ("nonce_id = 0x6b737464", "", 'object "otp": an otp-aead-key has a nonce_id'),
        ("successors = 14", "successors = 256", 'object "otp": successors: '),
        ('type = "wrap-key"', 'type = "authentication-key"', "no ceremony makes objects of this"),
        (
            'capabilities = ["sign-ecdsa"]\nonce',
            'capabilities = ["sign-ecdsa", "exportable-under-wrap"]\nonce',
            "must not be exportable",
        ),
        ('name = "identity-certificate"', 'name = "certificate"', '"identity-certificate" is want'),
    ],
)
def test_a_fault_is_told_with_its_place(old: str, new: str, said: str) -> None:
    found = problems(altered(old, new))
    assert all(one.startswith("device.toml: ") for one in found)
    assert any(re.search(said, one) for one in found), found


def test_all_faults_are_told_at_once() -> None:
    text = altered('["decrypt-otp"]', '["nothing"]').replace("domains = [2]", "domains = [0]", 1)
    assert len(problems(text)) == 2


def test_a_syntax_error_names_its_line() -> None:
    (said,) = problems(altered("[options]", "[options"))
    assert "not TOML" in said
    assert "line 11" in said


def test_what_is_no_text_names_its_line() -> None:
    with pytest.raises(ManifestError, match=r"device\.toml:2: not UTF-8"):
        manifest.parse(b"format = 1\n\xff", "device.toml")


def test_a_file_that_is_absent_or_too_large_is_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be read"):
        manifest.load(tmp_path / "nothing.toml")
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (1 << 19))
    with pytest.raises(ManifestError, match="larger"):
        manifest.load(large)


@given(st.binary(max_size=300))
@example(b"role = [[[[[")
@example(b"a=" + b"[" * 5000)
def test_no_file_is_worse_than_a_manifest_error(octets: bytes) -> None:
    with pytest.raises(ManifestError):
        manifest.parse(octets, "device.toml")


toml_values = st.recursive(
    st.sampled_from(["1", "-1", "0xffff", "true", '""', '"all"', "1.5", "1979-05-27", '"x"']),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    max_leaves=4,
)
LINES = [number for number, line in enumerate(TEXT.splitlines()) if " = " in line]


@given(st.sampled_from(LINES), toml_values)
def test_a_value_of_any_form_is_read_or_refused(number: int, value: str) -> None:
    lines = TEXT.splitlines()
    lines[number] = f"{lines[number].partition(' = ')[0]} = {value}"
    with contextlib.suppress(ManifestError):
        assert_safe(manifest.parse("\n".join(lines).encode(), "device.toml"))


def assert_safe(read: Manifest) -> None:
    """Hold a manifest to what none may ever break, whatever was written in it."""
    places = [role.place for role in read.roles]
    places += [place for one in read.objects for place in one.places]
    assert len(places) == len(set(places))
    for role in read.roles:
        assert role.id != 1
        if role.held == "host":
            assert not role.capabilities & manifest_words.ADMINISTRATIVE
            assert not role.delegated


def test_capabilities_that_a_firmware_does_not_know_are_left_out() -> None:
    old, new = manifest_words.known_to((2, 2, 0)), manifest_words.known_to((2, 4, 0))
    assert not old & (CAPABILITY.PUBLIC_WRAP_KEY_WRITE | CAPABILITY.PUT_SYMMETRIC_KEY)
    assert old & CAPABILITY.CHANGE_AUTHENTICATION_KEY
    assert new == CAPABILITY.ALL
