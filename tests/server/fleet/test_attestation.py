"""Attestations of slot 9E: believed when all of a chain holds; a link that does not says so."""

import dataclasses
import datetime as dt
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import example, given
from hypothesis import strategies as st

from server.fleet.attestation import Attested, attested, read_certificate, require_path
from server.fleet.attestation_bundle import AttestationBundle
from server.fleet.attestation_bundle import shipped as shipped_roots
from server.fleet.proof import ProofRefusedError
from tests.server.fleet.attestations import (
    SERIAL,
    SLOT,
    a_provisioned_key,
    attestation_of,
    bundle_of,
    f9_of,
)
from tests.server.fleet.real_certificates import F9_OF_4_3, F9_OF_5_7, SLOT_9E
from tests.virtual_yubikey.identity import Identity, yubikey_4, yubikey_5_nfc, yubikey_5c_nfc
from tests.virtual_yubikey.manufacturer import Manufacturer, Signer, issue, name
from tests.virtual_yubikey.piv_attestation import FIRMWARE, POLICIES, told_about
from tests.virtual_yubikey.piv_attestation import attested as certified
from tests.virtual_yubikey.piv_keys import KeyType, PinPolicy, TouchPolicy

NOW = dt.datetime(2026, 11, 27, tzinfo=dt.UTC)
MAKER = Manufacturer()
BUNDLE = bundle_of(MAKER)
_KEY = a_provisioned_key(maker=MAKER)
_SLOT = attestation_of(_KEY)
ATTESTATION = _SLOT.public_bytes(Encoding.DER)
ATTESTATION_SIGNATURE = ATTESTATION.index(_SLOT.signature)
F9 = f9_of(_KEY)


def judged(
    slot: x509.Certificate,
    f9: x509.Certificate,
    bundle: AttestationBundle = BUNDLE,
    now: dt.datetime = NOW,
) -> Attested:
    read = [read_certificate(one.public_bytes(Encoding.DER)) for one in (slot, f9)]
    return attested(bundle, read[0], read[1], now)


def why(found: Callable[[], object]) -> str:
    with pytest.raises(ProofRefusedError) as refused:
        found()
    return refused.value.code


@pytest.mark.parametrize(
    ("identity", "firmware", "form"),
    [
        (yubikey_4(7654321), "4.3.7", 0),
        (yubikey_5_nfc(16234567), "5.4.3", 1),
        (yubikey_5c_nfc(SERIAL), "5.7.4", 3),
        (yubikey_5c_nfc(SERIAL, "5.7.2"), "5.7.2", 3),
        (yubikey_5c_nfc(2**32 - 1), "5.7.4", 3),
    ],
)
def test_both_lines_of_chains_lead_to_what_the_key_is(
    identity: Identity, firmware: str, form: int
) -> None:
    key = a_provisioned_key(identity, maker=MAKER)
    found = judged(attestation_of(key), f9_of(key))
    assert (found.serial, str(found.firmware)) == (identity.serial, firmware)
    assert (found.form_factor, found.fips) == (form, False)


def test_a_fips_line_is_told() -> None:
    identity = dataclasses.replace(yubikey_5c_nfc(SERIAL), fips=True)
    key = a_provisioned_key(identity, maker=MAKER)
    found = judged(attestation_of(key), f9_of(key))
    assert found.fips
    assert found.form_factor == 0x83


@pytest.mark.parametrize(
    ("kind", "pin", "touch", "code"),
    [
        (KeyType.ECCP384, PinPolicy.NEVER, TouchPolicy.NEVER, "curve"),
        (KeyType.RSA2048, PinPolicy.NEVER, TouchPolicy.NEVER, "curve"),
        (KeyType.ED25519, PinPolicy.NEVER, TouchPolicy.NEVER, "curve"),
        (KeyType.ECCP256, PinPolicy.ONCE, TouchPolicy.NEVER, "policies"),
        (KeyType.ECCP256, PinPolicy.ALWAYS, TouchPolicy.NEVER, "policies"),
        (KeyType.ECCP256, PinPolicy.NEVER, TouchPolicy.ALWAYS, "policies"),
        (KeyType.ECCP256, PinPolicy.NEVER, TouchPolicy.CACHED, "policies"),
    ],
)
def test_another_kind_of_key_in_the_slot_proves_nothing(
    kind: KeyType, pin: PinPolicy, touch: TouchPolicy, code: str
) -> None:
    key = a_provisioned_key(maker=MAKER, kind=kind, pin=pin, touch=touch)
    assert why(lambda: judged(attestation_of(key), f9_of(key))) == code


def test_another_slots_attestation_is_none_of_this_one() -> None:
    key = a_provisioned_key(maker=MAKER)
    key.piv.put_key(0x9A, KeyType.ECCP256, PinPolicy.NEVER, TouchPolicy.NEVER)
    assert why(lambda: judged(attestation_of(key, 0x9A), f9_of(key))) == "not-attested"


def test_a_chain_out_of_order_or_of_two_keys_holds_nothing() -> None:
    key = a_provisioned_key(maker=MAKER)
    other = a_provisioned_key(yubikey_5c_nfc(SERIAL + 1), maker=MAKER)
    slot, f9 = attestation_of(key), f9_of(key)
    assert why(lambda: judged(f9, slot)) == "not-attested"
    assert why(lambda: judged(slot, slot)) == "chain"
    assert why(lambda: judged(slot, f9_of(other))) == "chain"
    assert why(lambda: judged(slot, MAKER.piv.certificate)) == "chain"


def test_roots_of_somebody_else_are_not_believed_and_yubicos_do_not_cover_virtual_keys() -> None:
    key = a_provisioned_key(maker=Manufacturer("Copied"))
    slot, f9 = attestation_of(key), f9_of(key)
    assert why(lambda: judged(slot, f9)) == "root"
    assert why(lambda: judged(slot, f9, shipped_roots())) == "root"


def test_a_root_that_only_has_the_name_of_a_trusted_one_is_not_believed() -> None:
    key = a_provisioned_key(maker=Manufacturer())
    assert why(lambda: judged(attestation_of(key), f9_of(key))) == "root"


def test_previews_prove_nothing_even_below_a_trusted_root() -> None:
    secret = ec.generate_private_key(ec.SECP256R1())
    issuer = name("Virtual PIV Preview CA")
    signer = Signer(issue(name("PIV"), secret.public_key(), issuer, secret, authority=True), secret)
    key = a_provisioned_key(maker=MAKER)
    held = key.piv.state.keys[SLOT]
    slot = certified(SLOT, held, key.identity, signer)
    assert why(lambda: judged(slot, signer.certificate)) == "preview"


def test_a_signer_of_a_kind_that_no_key_is_costs_no_time_and_certifies_nothing() -> None:
    secret = rsa.generate_private_key(3, 2048)
    above = MAKER.old_root
    f9 = issue(
        name("PIV"), secret.public_key(), above.certificate.subject, above.key, authority=True
    )
    key = a_provisioned_key(yubikey_5_nfc(SERIAL), maker=MAKER)
    slot = certified(SLOT, key.piv.state.keys[SLOT], key.identity, Signer(f9, secret))
    assert why(lambda: judged(slot, f9)) == "chain"


@pytest.mark.parametrize(
    "day", [dt.datetime(2016, 3, 13, tzinfo=dt.UTC), dt.datetime(2052, 4, 18, tzinfo=dt.UTC)]
)
def test_a_chain_counts_while_it_is_valid(day: dt.datetime) -> None:
    key = a_provisioned_key(maker=MAKER)
    assert why(lambda: judged(attestation_of(key), f9_of(key), now=day)) == "validity"


class Chain:
    """A chain below the old root of which one thing is not as it should be."""

    def __init__(self) -> None:
        self.key = a_provisioned_key(yubikey_5_nfc(SERIAL), maker=MAKER)
        self.f9_key = ec.generate_private_key(ec.SECP256R1())
        self.f9: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=True, path_length=0), True)
        ]
        self.slot: list[tuple[x509.ExtensionType, bool]] = [
            *((one, False) for one in told_about(self.key.identity)),
            (x509.UnrecognizedExtension(POLICIES, b"\x01\x01"), False),
        ]
        self.above = MAKER.old_root
        self.hash: hashes.SHA224 | hashes.SHA256 = hashes.SHA256()

    def judged(self, bundle: AttestationBundle = BUNDLE) -> Attested:
        subject = name("Virtual PIV Attestation")
        f9 = certificate_of(
            subject, self.f9_key.public_key(), self.above.certificate.subject, self.f9
        ).sign(self.above.key, hashes.SHA256())
        held = self.key.piv.state.keys[SLOT].private.public_key()
        assert isinstance(held, ec.EllipticCurvePublicKey)
        slot = certificate_of(name("YubiKey PIV Attestation 9e"), held, subject, self.slot)
        return judged(slot.sign(self.f9_key, self.hash), f9, bundle)


def certificate_of(
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    told: list[tuple[x509.ExtensionType, bool]],
) -> x509.CertificateBuilder:
    builder = (
        x509.CertificateBuilder(issuer, subject, public)
        .serial_number(1)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2030, 1, 1, tzinfo=dt.UTC))
    )
    for extension, critical in told:
        builder = builder.add_extension(extension, critical)
    return builder


def usage(*, certifies: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certifies,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def test_a_chain_of_ones_own_making_is_believed_with_usage_and_paths_that_allow_it() -> None:
    chain = Chain()
    chain.f9.append((usage(certifies=True), True))
    policy = x509.PolicyInformation(x509.ObjectIdentifier("1.2.840.114283.100.0.10.2.1.50"), None)
    chain.f9.append((x509.CertificatePolicies([policy]), True))
    assert chain.judged().serial == SERIAL


def test_a_value_within_a_header_of_its_own_is_the_same_value() -> None:
    chain = Chain()
    chain.slot[-1] = (x509.UnrecognizedExtension(POLICIES, b"\x04\x02\x01\x01"), False)
    assert chain.judged().serial == SERIAL


def _no_authority(chain: Chain) -> None:
    chain.f9 = [(x509.BasicConstraints(ca=False, path_length=None), True)]


def _says_nothing(chain: Chain) -> None:
    chain.f9 = []


def _may_not_certify(chain: Chain) -> None:
    chain.f9.append((usage(certifies=False), True))


def _an_authority_in_the_slot(chain: Chain) -> None:
    chain.slot.append((x509.BasicConstraints(ca=True, path_length=None), True))


def _something_critical(chain: Chain) -> None:
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"")
    chain.slot.append((odd, True))


def test_slot_f9_of_firmware_4_says_nothing_but_its_firmware_below_the_old_root() -> None:
    chain = Chain()
    chain.f9 = [(x509.UnrecognizedExtension(FIRMWARE, b"\x04\x03\x04"), False)]
    assert chain.judged().serial == SERIAL
    chain.above = MAKER.piv
    assert why(chain.judged) == "chain"


def test_a_real_keys_slot_9e_is_believed_under_the_roots_that_ship() -> None:
    slot, f9 = map(x509.load_pem_x509_certificate, (SLOT_9E, F9_OF_4_3))
    found = judged(slot, f9, shipped_roots())
    assert (found.serial, str(found.firmware), found.form_factor) == (5213681, "4.3.3", None)
    assert why(lambda: judged(slot, f9)) == "root"


def test_a_real_keys_slot_f9_of_the_newer_line_ends_in_the_newer_root_that_ships() -> None:
    f9 = x509.load_pem_x509_certificate(F9_OF_5_7)
    require_path(shipped_roots(), f9, NOW)
    only_roots = shipped_roots()._replace(intermediates=())
    assert why(lambda: require_path(only_roots, f9, NOW)) == "root"


def _something_of_another_purpose(chain: Chain) -> None:
    chain.above = MAKER.security_domain


def _no_policies(chain: Chain) -> None:
    del chain.slot[-1]


def _no_serial(chain: Chain) -> None:
    chain.slot = [
        one for one in chain.slot if getattr(one[0].oid, "dotted_string", "")[-2:] != ".7"
    ]


def _a_weak_hash(chain: Chain) -> None:
    chain.hash = hashes.SHA224()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_no_authority, "chain"),
        (_says_nothing, "chain"),
        (_may_not_certify, "chain"),
        (_an_authority_in_the_slot, "not-attested"),
        (_something_critical, "chain"),
        (_something_of_another_purpose, "chain"),
        (_no_policies, "policies"),
        (_no_serial, "serial"),
        (_a_weak_hash, "chain"),
    ],
)
def test_one_thing_that_is_not_as_it_should_be_is_enough(
    spoil: Callable[[Chain], None], code: str
) -> None:
    chain = Chain()
    spoil(chain)
    assert why(chain.judged) == code


def test_a_root_that_allows_no_path_below_it_certifies_no_slot() -> None:
    """As Yubico's root of before September 2018 was: it forbade the very chain it was made for."""
    chain = Chain()
    short = Manufacturer("Short PIV")
    key = ec.generate_private_key(ec.SECP384R1())
    subject = name("Short PIV Root")
    constraints = [(x509.BasicConstraints(ca=True, path_length=0), True)]
    root = certificate_of(subject, key.public_key(), subject, list(constraints)).sign(
        key, hashes.SHA256()
    )
    chain.above = Signer(root, key)
    bundle = bundle_of(short)._replace(roots=(root,))
    assert why(lambda: chain.judged(bundle)) == "chain"


@given(octets=st.binary(max_size=300))
def test_octets_that_are_no_certificate_are_refused_and_nothing_else(octets: bytes) -> None:
    assert why(lambda: read_certificate(octets)) == "malformed-proof"


@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
@example(at=ATTESTATION_SIGNATURE - 1, flip=1)
def test_no_octet_of_an_attestation_makes_it_say_something_else(at: int, flip: int) -> None:
    octets = bytearray(ATTESTATION)
    octets[at % len(octets)] ^= flip
    try:
        found = attested(BUNDLE, read_certificate(bytes(octets)), F9, NOW)
    except ProofRefusedError:
        return
    # How many bits of the signature's last octet are unused is outside of what is signed, and is
    # passed over where they are zero.
    assert at % len(octets) == ATTESTATION_SIGNATURE - 1
    assert found == attested(BUNDLE, read_certificate(ATTESTATION), F9, NOW)


def test_a_certificate_that_never_ends_in_size_is_not_read() -> None:
    assert why(lambda: read_certificate(bytes(5000))) == "malformed-proof"
