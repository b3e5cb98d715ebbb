"""Hardware is told from everything else, by real devices' certificates and made up ones."""

import datetime as dt
import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from yubihsm.objects import DeviceAttestationExtensions, KeyAttestationExtensions

from hsm import genuine
from hsm.genuine import Anchors, Kind, Proof
from hsm.manifest import Manifest, validation
from hsm.vault import VaultError

VECTORS = Path(__file__).parent / "vectors" / "yubihsm"
NOW = dt.datetime(2026, 11, 27, tzinfo=dt.UTC)
SERIAL = 31650425
"""A YubiHSM 2 whose certificates its owner has published, with the attestation of a P-256 key."""
_ARC = "1.3.6.1.4.1.41482.4."


def vector(name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((VECTORS / name).read_bytes())


def test_the_root_is_yubicos_and_signed_itself() -> None:
    (root,) = Anchors.yubico().roots
    assert genuine.fingerprint(root) == genuine.ROOT_FINGERPRINT
    assert root.subject.rfc4514_string() == "CN=Yubico YubiHSM Root CA"
    root.verify_directly_issued_by(root)


def test_every_sub_ca_leads_to_the_root() -> None:
    anchors = Anchors.yubico()
    (sub_ca,) = anchors.intermediates
    sub_ca.verify_directly_issued_by(anchors.roots[0])
    identifier = sub_ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    assert identifier.value.digest.hex().upper() == "E45DA5F361B091B30D8F2C6FA040DB6FEF57918E"


@pytest.mark.parametrize(
    ("file", "serial", "firmware"),
    [
        ("31650425-device.pem", 31650425, (2, 4, 0)),
        ("31650558-device.pem", 31650558, (2, 4, 0)),
        ("20783176-fips-device.pem", 20783176, (2, 2, 0)),
    ],
)
def test_real_devices_lead_to_yubicos_root(
    file: str, serial: int, firmware: tuple[int, int, int]
) -> None:
    device = vector(file)
    assert genuine.chain_doubts(device, Anchors.yubico(), NOW) == []
    said = DeviceAttestationExtensions.parse(device)
    assert (said.serial, said.firmware_version) == (serial, firmware)


def test_a_real_devices_key_with_a_copied_chain_is_not_believed() -> None:
    # All that is wrong is that nobody can sign with this key here, and its place.
    proof = Proof(
        vector("31650425-device.pem").public_bytes(Encoding.DER),
        vector("31650425-key-7e57.pem").public_bytes(Encoding.DER),
        secrets.token_bytes(32),
        b"\x30\x06\x02\x01\x01\x02\x01\x01",
    )
    verdict = genuine.judge(proof, _manifest_of_7e57(), SERIAL, Anchors.yubico(), NOW)
    assert verdict.kind is Kind.IMPOSTOR
    assert (verdict.serial, verdict.firmware) == (SERIAL, (2, 4, 0))
    (doubt,) = verdict.doubts
    assert "did not sign the fresh nonce" in doubt


def _manifest_of_7e57() -> Manifest:
    """Return a manifest whose identity key has the place and rights of the published one."""
    manifest = validation()
    said = KeyAttestationExtensions.parse(vector("31650425-key-7e57.pem"))
    objects = tuple(
        one.model_copy(update={"id": said.object_id, "domains": said.domains})
        if one.name == "identity"
        else one
        for one in manifest.objects
    )
    return manifest.model_copy(update={"objects": objects})


class Forge:
    """Certificates as a device's, from keys of a test: each test gets one thing wrong."""

    def __init__(self) -> None:
        self.root_key = ec.generate_private_key(ec.SECP256R1())
        self.sub_key = ec.generate_private_key(ec.SECP256R1())
        self.device_key = ec.generate_private_key(ec.SECP256R1())
        self.identity_key = ec.generate_private_key(ec.SECP256R1())
        self.root = self._made("Root", "Root", self.root_key, self.root_key, 2)
        self.sub = self._made("Sub", "Root", self.sub_key, self.root_key, 1)
        self.device = self.device_certificate()
        self.identity = self.identity_certificate()
        self.anchors = Anchors((self.root,), (self.sub,))
        self.nonce = secrets.token_bytes(32)

    def proof(self, nonce: bytes | None = None) -> Proof:
        signature = self.identity_key.sign(genuine.message(nonce or self.nonce), ec.ECDSA(SHA256()))
        return Proof(
            self.device.public_bytes(Encoding.DER),
            self.identity.public_bytes(Encoding.DER),
            self.nonce,
            signature,
        )

    def judged(self, proof: Proof | None = None, now: dt.datetime = NOW) -> genuine.Genuineness:
        return genuine.judge(proof or self.proof(), validation(), SERIAL, self.anchors, now)

    def device_certificate(
        self, *, authority: bool = True, serial: int | None = SERIAL, issuer: str = "Sub"
    ) -> x509.Certificate:
        said = {} if serial is None else {2: _integer(serial), 1: b"\x04\x03\x02\x04\x01"}
        depth = 0 if authority else None
        return self._made("Device", issuer, self.device_key, self.sub_key, depth, said=said)

    def identity_certificate(self, **changed: bytes) -> x509.Certificate:
        said = {
            "1": b"\x04\x03\x02\x04\x01",
            "2": _integer(SERIAL),
            "3": b"\x03\x02\x00\x01",
            "4": b"\x03\x03\x00\x00\x04",
            "5": b"\x03\x09\x00" + (0x80).to_bytes(8),
            "6": b"\x02\x02\x03\x01",
            "9": b"\x0c\x08identity",
        }
        said |= {name.removeprefix("oid"): value for name, value in changed.items()}
        numbered = {int(number): value for number, value in said.items() if value}
        return self._made("Key", "Device", self.identity_key, self.device_key, None, said=numbered)

    @staticmethod
    def _made(
        subject: str,
        issuer: str,
        key: EllipticCurvePrivateKey,
        signer: EllipticCurvePrivateKey,
        depth: int | None,
        *,
        said: dict[int, bytes] | None = None,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .not_valid_before(dt.datetime(2017, 1, 1, tzinfo=dt.UTC))
            .not_valid_after(dt.datetime(2071, 10, 5, tzinfo=dt.UTC))
            .serial_number(x509.random_serial_number())
            .public_key(key.public_key())
        )
        if depth is not None:
            limits = x509.BasicConstraints(ca=True, path_length=depth)
            builder = builder.add_extension(limits, critical=True)
        for number, value in (said or {}).items():
            oid = x509.ObjectIdentifier(f"{_ARC}{number}")
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
        return builder.sign(signer, SHA256())


def _integer(value: int) -> bytes:
    octets = value.to_bytes(4)
    return b"\x02\x04" + octets


@pytest.fixture
def forge() -> Forge:
    return Forge()


def doubted(verdict: genuine.Genuineness, said: str, kind: Kind = Kind.IMPOSTOR) -> None:
    assert verdict.kind is kind
    assert any(said in doubt for doubt in verdict.doubts), verdict.doubts


def test_a_whole_chain_and_a_fresh_signature_are_hardware(forge: Forge) -> None:
    assert forge.judged() == genuine.Genuineness(Kind.HARDWARE, SERIAL, (2, 4, 1), ())


def test_a_signature_over_another_nonce_is_none(forge: Forge) -> None:
    doubted(forge.judged(forge.proof(secrets.token_bytes(32))), "fresh nonce")


def test_a_short_nonce_is_none(forge: Forge) -> None:
    forge.nonce = b"short"
    doubted(forge.judged(), "nonce")


def test_an_identity_key_that_came_from_outside_is_none(forge: Forge) -> None:
    for origin in (b"\x02", b"\x11", b"\x12"):
        forge.identity = forge.identity_certificate(oid3=b"\x03\x02\x00" + origin)
        doubted(forge.judged(), "from outside")


@pytest.mark.parametrize(
    "changed",
    [
        {"oid6": b"\x02\x02\x03\x02"},
        {"oid5": b"\x03\x09\x00" + (0x10080).to_bytes(8)},
        {"oid4": b"\x03\x03\x00\x00\x05"},
    ],
    ids=["place", "capabilities", "domains"],
)
def test_another_key_of_the_same_device_is_not_the_identity_key(
    forge: Forge, changed: dict[str, bytes]
) -> None:
    forge.identity = forge.identity_certificate(**changed)
    doubted(forge.judged(), "other rights")


def test_the_attestation_of_another_device_is_not_this_ones(forge: Forge) -> None:
    forge.identity = forge.identity_certificate(oid2=_integer(7))
    doubted(forge.judged(), "calls itself")
    forge.identity = forge.identity_certificate()
    forge.device = forge.device_certificate(serial=7)
    doubted(forge.judged(), "calls itself")


def test_a_key_that_another_key_attested_is_none(forge: Forge) -> None:
    forge.device_key = ec.generate_private_key(ec.SECP256R1())
    forge.identity = forge.identity_certificate()
    doubted(forge.judged(), "not attested by its factory key")


def test_a_chain_to_an_unknown_root_is_none_and_names_the_missing_one(forge: Forge) -> None:
    forge.anchors = Anchors.yubico()
    doubted(forge.judged(), '"CN=Sub" signed it', Kind.UNKNOWN)


def test_a_certificate_that_may_not_sign_others_is_no_device(forge: Forge) -> None:
    forge.device = forge.device_certificate(authority=False)
    doubted(forge.judged(), "may not sign", Kind.UNKNOWN)


def test_a_sub_ca_presented_as_a_device_is_none(forge: Forge) -> None:
    # Whoever has a genuine device has its certificate, and the sub-CA's is public.
    forge.identity, forge.device = forge.device, forge.sub
    doubted(forge.judged(), "cannot be read", Kind.UNKNOWN)


def test_a_device_without_a_serial_number_is_none(forge: Forge) -> None:
    forge.device = forge.device_certificate(serial=None)
    doubted(forge.judged(), "no serial number", Kind.UNKNOWN)


def test_a_chain_is_not_good_for_ever(forge: Forge) -> None:
    doubted(forge.judged(now=dt.datetime(2072, 1, 1, tzinfo=dt.UTC)), "not valid now", Kind.UNKNOWN)
    doubted(forge.judged(now=dt.datetime(2016, 1, 1, tzinfo=dt.UTC)), "not valid now", Kind.UNKNOWN)


def test_who_calls_itself_an_emulator_but_cannot_sign_is_not_even_that(forge: Forge) -> None:
    forge.device = forge.device_certificate(issuer="Keystead YubiHSM EMULATOR Root")
    assert forge.judged().kind is Kind.EMULATOR
    doubted(forge.judged(forge.proof(secrets.token_bytes(32))), "fresh nonce")


@pytest.mark.parametrize("missing", ["1", "2", "3", "4", "5", "6", "9"])
def test_an_attestation_that_leaves_something_out_is_none(forge: Forge, missing: str) -> None:
    forge.identity = forge.identity_certificate(**{f"oid{missing}": b""})
    assert forge.judged().kind is Kind.UNKNOWN


@pytest.mark.parametrize("junk", [b"", b"\x30", bytes(100)])
def test_octets_that_are_no_certificate_are_none(forge: Forge, junk: bytes) -> None:
    proof = forge.proof()
    for broken in (
        Proof(junk, proof.identity_certificate, proof.nonce, proof.signature),
        Proof(proof.device_certificate, junk, proof.nonce, proof.signature),
        Proof(proof.device_certificate, proof.identity_certificate, proof.nonce, junk),
    ):
        assert forge.judged(broken).kind in {Kind.UNKNOWN, Kind.IMPOSTOR}


_P256 = bytes.fromhex("06082a8648ce3d030107")


@pytest.mark.parametrize("which", ["device_certificate", "identity_certificate"])
@pytest.mark.parametrize("key", [_P256[:-1] + b"\x63", b"\x06\x08\x2a\x86\x48\xce\x3d\x63\x01\x07"])
def test_a_key_on_a_curve_that_nobody_knows_is_none(forge: Forge, which: str, key: bytes) -> None:
    proof = forge.proof()
    mangled = getattr(proof, which).replace(_P256, key)
    verdict = forge.judged(replace(proof, **{which: mangled}))
    assert verdict.kind in {Kind.UNKNOWN, Kind.IMPOSTOR}


_FORGE = Forge()
_PROOF = _FORGE.proof()


@settings(max_examples=300, deadline=None)
@given(
    which=st.sampled_from(["device_certificate", "identity_certificate", "signature"]),
    changes=st.lists(
        st.tuples(st.integers(0, 4000), st.binary(max_size=4), st.integers(0, 4)),
        min_size=1,
        max_size=4,
    ),
)
def test_whatever_a_device_shows_there_is_a_verdict(
    which: str, changes: list[tuple[int, bytes, int]]
) -> None:
    """changes: where in the DER, what is put there, in the place of how many octets."""
    octets = shown = getattr(_PROOF, which)
    for place, put, length in changes:
        at = place % len(octets)
        octets = octets[:at] + put + octets[at + length :] or b"\0"
    verdict = _FORGE.judged(replace(_PROOF, **{which: octets}))
    # What the forge signed is hardware; nothing that was mangled is.
    assert (verdict.kind is Kind.HARDWARE) <= (octets == shown or which == "signature")


def test_a_newer_sub_ca_is_added_by_file(forge: Forge, tmp_path: Path) -> None:
    forge.anchors = Anchors((forge.root,))
    doubted(forge.judged(), "does not lead", Kind.UNKNOWN)
    file = tmp_path / "new.pem"
    file.write_bytes(forge.sub.public_bytes(Encoding.PEM))
    forge.anchors = forge.anchors.with_file(file)
    assert forge.judged().kind is Kind.HARDWARE


def test_a_sub_ca_that_no_root_signed_is_of_no_use(forge: Forge, tmp_path: Path) -> None:
    file = tmp_path / "new.pem"
    file.write_bytes(Forge().sub.public_bytes(Encoding.PEM))
    forge.anchors = Anchors((forge.root,)).with_file(file)
    doubted(forge.judged(), "does not lead", Kind.UNKNOWN)


def test_a_file_without_certificates_is_told(tmp_path: Path) -> None:
    file = tmp_path / "new.pem"
    file.write_text("nothing")
    with pytest.raises(VaultError, match="no certificates"):
        Anchors.yubico().with_file(file)
