"""Attestation roots: what ships is Yubico's, and a newer edition needs a signature that counts."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from server.fleet.attestation_bundle import read_document, shipped, verify
from server.fleet.roots_desk import NAME, EditionRefusedError, RootsDesk
from server.fleet.signed_file import UntrustedFileError
from server.journal.acts import Actor, Cause
from server.journal.canonical import MalformedError
from tests.server.fleet.attestations import edition_of, signed_edition, told
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.web.office import DEFAULT
from tests.virtual_yubikey.manufacturer import Manufacturer, issue, name, new_rsa_key

CAUSE = Cause(Actor.local(0, "root"))
MAKER = Manufacturer()
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
TRUSTED = KEY.public_key().public_bytes_raw()
FINGERPRINTS = {
    "Yubico PIV Root CA Serial 263751": (
        "63ece914e54dd87915f34033c85af4c0696ba1512f8add66ced738331207b546"
    ),
    "Yubico Attestation Root 1": (
        "62760c6a6ef91679f454c8902b80fd009825b3f25da90f1fbace2ec6586cd5a8"
    ),
    "Yubico Attestation Intermediate A 1": (
        "4698a1d3389c3ec60016c216250f1d0439922832d65142327436376dc2942b55"
    ),
    "Yubico Attestation Intermediate B 1": (
        "d4cc3f456fdaf4e7812a21aab1dfe9d8e27d24e2fd2d6f21c9940109f0daa754"
    ),
    "Yubico PIV Attestation A 1": (
        "6de693f05376f5d8ca29069261e1c8626c75d503bd2edbfd75354cad1f722870"
    ),
    "Yubico PIV Attestation B 1": (
        "2d55b7998f4e42569d6d8fa382b6dc77d1dacf07358b19701163892922b17052"
    ),
}
"""SHA-256 of what Yubico publishes, as two projects that have nothing to do with us pin them."""


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(clock=StillClock(), default_policy=DEFAULT)


def test_what_ships_are_yubicos_own_by_fingerprints_that_others_pinned() -> None:
    found = shipped()
    listed = {one["name"]: one["sha256"] for one in map(told, (*found.roots, *found.intermediates))}
    assert listed == FINGERPRINTS


async def test_what_ships_counts_until_a_newer_edition_is_loaded(store: MemoryStore) -> None:
    desk = RootsDesk(store, (TRUSTED,))
    assert (await desk.current()).edition == 1
    loaded = await desk.load(signed_edition(edition_of(MAKER), KEY).decode(), cause=CAUSE)
    assert loaded.edition == 2
    assert list((await desk.current()).roots) == MAKER.roots
    elsewhere = RootsDesk(store, (TRUSTED,))
    assert (await elsewhere.current()).edition == 2


@pytest.mark.parametrize("edition", [1, 2])
async def test_editions_never_go_back(store: MemoryStore, edition: int) -> None:
    desk = RootsDesk(store, (TRUSTED,))
    await desk.load(signed_edition(edition_of(MAKER), KEY).decode(), cause=CAUSE)
    older = signed_edition(edition_of(Manufacturer("Older"), edition), KEY).decode()
    with pytest.raises(EditionRefusedError, match="never go back"):
        await desk.load(older, cause=CAUSE)
    assert list((await desk.current()).roots) == MAKER.roots


async def test_a_key_that_is_trusted_no_more_takes_its_edition_with_it_and_none_back(
    store: MemoryStore,
) -> None:
    text = signed_edition(edition_of(MAKER, 7), KEY).decode()
    await RootsDesk(store, (TRUSTED,)).load(text, cause=CAUSE)
    other = Ed25519PrivateKey.generate()
    desk = RootsDesk(store, (other.public_key().public_bytes_raw(),))
    assert (await desk.current()).edition == 1
    with pytest.raises(EditionRefusedError, match="edition 7 was taken"):
        await desk.load(signed_edition(edition_of(MAKER, 6), other).decode(), cause=CAUSE)


async def test_whoever_writes_to_the_database_adds_no_root(store: MemoryStore) -> None:
    desk = RootsDesk(store, (TRUSTED,))
    file = signed_edition(edition_of(MAKER, 9), Ed25519PrivateKey.generate())
    await store.set_meta(NAME, file.decode())
    assert (await desk.current()).edition == 1


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense", '{"document": {}}'])
async def test_what_is_no_edition_is_refused_in_words(store: MemoryStore, text: str) -> None:
    with pytest.raises(EditionRefusedError, match="not taken"):
        await RootsDesk(store, (TRUSTED,)).load(text, cause=CAUSE)


def test_a_signature_counts_for_the_document_that_it_was_made_over() -> None:
    file = json.loads(signed_edition(edition_of(MAKER), KEY))
    assert verify(json.dumps(file).encode(), (TRUSTED,)).edition == 2
    file["document"]["edition"] = 3
    with pytest.raises(UntrustedFileError, match="altered"):
        verify(json.dumps(file).encode(), (TRUSTED,))
    with pytest.raises(UntrustedFileError, match="not among"):
        verify(signed_edition(edition_of(MAKER), Ed25519PrivateKey.generate()), (TRUSTED,))


def _preview(document: dict[str, Any]) -> None:
    key = new_rsa_key()
    subject = name("Yubico PIV Preview CA")
    root = issue(subject, key.public_key(), subject, key, authority=True)
    document["roots"].append(told(root))


def _other_certificate(document: dict[str, Any]) -> None:
    document["roots"][0]["pem"] = document["roots"][1]["pem"]


def _other_name(document: dict[str, Any]) -> None:
    document["roots"][0]["name"] = "Yubico"


def _orphan(document: dict[str, Any]) -> None:
    document["intermediates"] = [told(Manufacturer("Other").middle.certificate)]


def _no_root_at_all(document: dict[str, Any]) -> None:
    document["roots"] = []


def _no_self_signature(document: dict[str, Any]) -> None:
    document["roots"].append(told(MAKER.middle.certificate))


def _no_pem(document: dict[str, Any]) -> None:
    document["roots"][0]["pem"] = "-----BEGIN CERTIFICATE-----"


def _later_format(document: dict[str, Any]) -> None:
    document["format"] = 2


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_preview, "never sold"),
        (_other_certificate, "not the one that it names"),
        (_other_name, "another name"),
        (_orphan, "signed by no certificate"),
        (_no_root_at_all, "no root"),
        (_no_self_signature, "signed by no certificate"),
        (_no_pem, "no certificate in PEM"),
        (_later_format, "upgrade"),
    ],
)
def test_an_edition_that_is_not_sound_is_refused_whoever_signed_it(spoil: Any, words: str) -> None:  # noqa: ANN401 - a function
    document = edition_of(MAKER)
    spoil(document)
    with pytest.raises(MalformedError, match=words):
        read_document(document)


@given(
    document=st.recursive(
        st.none() | st.integers(-2, 2**40) | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["format", "edition", "issued", "roots", "intermediates"]),
                inner,
                max_size=5,
            )
        ),
        max_leaves=6,
    )
)
def test_no_document_breaks_the_reader(document: object) -> None:
    if isinstance(document, dict):
        with pytest.raises(MalformedError):
            read_document(document)
