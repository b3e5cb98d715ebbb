"""Certificates of security domains: a real key's, made-up ones, and those of something else."""

import datetime as dt
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from hypothesis import given
from hypothesis import strategies as st

from server.fleet.attestation_bundle import AttestationBundle, shipped
from server.fleet.channel.card import GarbageError
from server.fleet.channel.chain import read_chain
from server.fleet.channel.dialogue import Refusal, Refused
from server.fleet.channel.roots import BundleRoots
from tests.server.fleet.channel.lab import NOW, a_key, relayed, roots_of, talk
from tests.virtual_yubikey.identity import Firmware, Transport
from tests.virtual_yubikey.manufacturer import Manufacturer, issue, name, new_rsa_key
from tests.virtual_yubikey.piv_attestation import attested
from tests.virtual_yubikey.piv_keys import KeyType
from tests.virtual_yubikey.yubikey import VirtualYubiKey

KEY = a_key()
MAKER = KEY.manufacturer


def chain_of(key: VirtualYubiKey) -> bytes:
    key.power(Transport.USB)
    talk(key, bytes.fromhex("00a4040008a000000151000000"))
    return talk(key, bytes.fromhex("00cabf2106a60483021301"))[:-2]


def retail() -> bytes:
    text = (Path(__file__).parent / "retail_chain.txt").read_text()
    return bytes.fromhex(text.partition("\n\n")[2])


def test_a_retail_keys_certificates_are_read_and_fit_each_other() -> None:
    chain = read_chain(retail())
    own, leaf = chain.certificates
    assert chain.serial == 37152033
    leaf.verify_directly_issued_by(own)
    assert own.issuer == name("Yubico SD Attestation B 1")
    assert leaf.subject == name("YubiKey SD Attestation 11:01")


def test_a_retail_keys_certificates_lead_to_a_root_when_their_publisher_is_in_the_bundle() -> None:
    """The publisher's certificate could not be had: its signature alone is made anew, by another's.

    All else of both certificates is octet for octet the retail key's.
    """
    own, leaf = read_chain(retail()).certificates
    publisher, root = new_rsa_key(), MAKER.new_root
    published = issue(
        own.issuer, publisher.public_key(), root.certificate.subject, root.key, authority=True
    )
    signature = publisher.sign(own.tbs_certificate_bytes, PKCS1v15(), hashes.SHA256())
    # Without the parameter NULL after the algorithm's name, as there.
    algorithm = bytes.fromhex("300b06092a864886f70d01010b")
    signed = own.tbs_certificate_bytes + algorithm + b"\x03\x82\x01\x01\x00" + signature
    same = x509.load_der_x509_certificate(b"\x30\x82" + len(signed).to_bytes(2, "big") + signed)
    bundle = AttestationBundle(1, NOW.date(), (root.certificate,), (published,))
    roots = BundleRoots(bundle, lambda: NOW)
    assert roots.proves([same, leaf])
    assert not roots.proves([own, leaf])
    assert not roots.proves([leaf])


def test_an_authority_of_a_kind_that_no_key_is_costs_no_time_and_certifies_nothing() -> None:
    above, leaf = MAKER.security_domain, ec.generate_private_key(ec.SECP256R1())
    for exponent, proves in ((65537, True), (3, False)):
        secret = rsa.generate_private_key(exponent, 2048)
        own = issue(
            name("own"), secret.public_key(), above.certificate.subject, above.key, authority=True
        )
        last = issue(name("leaf"), leaf.public_key(), own.subject, secret)
        assert roots_of(MAKER).proves([own, last]) is proves


def test_made_up_keys_lead_to_their_makers_root_and_to_no_other() -> None:
    chain = read_chain(chain_of(KEY)).certificates
    assert roots_of(MAKER).proves(chain)
    assert not roots_of(Manufacturer("Stranger")).proves(chain)
    assert not BundleRoots(shipped(), lambda: NOW).proves(chain)


def test_a_slots_key_is_no_security_domains() -> None:
    """PIV agrees on secrets for whoever holds the card: with a slot's key a host plays the key."""
    key = a_key()
    slot = key.piv.put_key(0x9E, KeyType.ECCP256)
    f9 = key.piv.signer
    attestation = attested(0x9E, slot, key.identity, f9)
    assert not roots_of(MAKER).proves([f9.certificate, attestation])
    assert isinstance(slot.private, ec.EllipticCurvePrivateKey)
    key.security_domain.chain = [f9.certificate, attestation]
    key.security_domain.state.private = slot.private
    key.management.identity = replace(key.identity, firmware=Firmware(5, 9, 9))
    assert relayed(key) == Refused(Refusal.CHAIN_UNKNOWN)


def test_every_link_counts() -> None:
    own, leaf = read_chain(chain_of(KEY)).certificates
    roots = roots_of(MAKER)
    assert not roots.proves([leaf])
    assert not roots.proves([own])
    assert not roots.proves([leaf, own])
    other_own, other_leaf = read_chain(chain_of(a_key())).certificates
    assert not roots.proves([own, other_leaf])
    assert roots.proves([own, other_own, other_leaf])
    for when in ("2010-01-01T00:00:00+00:00", "2100-01-01T00:00:00+00:00"):
        bundle = AttestationBundle(1, NOW.date(), tuple(MAKER.roots), tuple(MAKER.intermediates))
        assert not BundleRoots(bundle, partial(dt.datetime.fromisoformat, when)).proves([own, leaf])


@pytest.mark.parametrize("without", ["middle", "security_domain"])
def test_what_is_not_published_is_not_believed(without: str) -> None:
    left = getattr(MAKER, without).certificate
    published = tuple(one for one in MAKER.intermediates if one != left)
    bundle = AttestationBundle(1, NOW.date(), tuple(MAKER.roots), published)
    chain = read_chain(chain_of(KEY)).certificates
    roots = BundleRoots(bundle, lambda: NOW)
    assert not roots.proves(chain)
    # That a key brings it along helps nobody: it is not published, or not one of its domain.
    assert not roots.proves([left, *chain])


def test_who_is_no_authority_certifies_nothing() -> None:
    above = MAKER.security_domain
    own = ec.generate_private_key(ec.SECP256R1())
    last = ec.generate_private_key(ec.SECP256R1())
    middle = issue(name("no authority"), own.public_key(), above.certificate.subject, above.key)
    leaf = issue(name("leaf"), last.public_key(), middle.subject, own)
    assert not roots_of(MAKER).proves([middle, leaf])
    assert not roots_of(MAKER).proves([above.certificate])


def test_a_preview_proves_nothing() -> None:
    above = MAKER.security_domain
    secret = ec.generate_private_key(ec.SECP256R1()).public_key()
    preview = issue(name("Preview SD"), secret, above.certificate.subject, above.key)
    assert not roots_of(MAKER).proves([preview])
    fine = issue(name("Retail SD"), secret, above.certificate.subject, above.key)
    assert roots_of(MAKER).proves([fine])


@given(st.data())
def test_whatever_is_changed_in_a_chain_it_says_nothing_else(data: st.DataObject) -> None:
    octets = bytearray(chain_of(KEY))
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        chain = read_chain(bytes(octets)).certificates
    except GarbageError:
        return
    if roots_of(MAKER).proves(chain):
        # How many bits of a signature's last octet are unused is outside of what is signed.
        signed = [one.tbs_certificate_bytes for one in read_chain(chain_of(KEY)).certificates]
        assert [one.tbs_certificate_bytes for one in chain] == signed


@given(st.binary(max_size=400))
def test_what_is_no_chain_is_garbage(octets: bytes) -> None:
    with pytest.raises(GarbageError):
        read_chain(octets)
