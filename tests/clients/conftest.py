"""One running service for all clients, and who is who at its door."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.certificates import Authority
from tests.clients.yub_on_npm import HOSTS
from tests.keystead_process import KeysteadProcess
from tests.system.relying_party import RelyingParty
from tests.system.yubikeys import YubiKey, known_keys


class Scene(NamedTuple):
    """A service with a key it knows, a client it serves and one that has spent its budget."""

    keystead: KeysteadProcess
    url: str
    key: YubiKey
    party: RelyingParty
    throttled: RelyingParty
    unknown_client_id: int


class SecureScene(NamedTuple):
    """A scene at an https address. authority: the certificate that its clients have to trust."""

    scene: Scene
    authority: Path


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with KeysteadProcess(tmp_path_factory.mktemp("clients") / "var") as keystead:
        keystead.init()
        keystead.start(workers=1)
        yield set_up(keystead)


@pytest.fixture(scope="session")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureScene]:
    folder = tmp_path_factory.mktemp("secure")
    authority = Authority()
    files = authority.issue(folder / "tls", "127.0.0.1", *HOSTS)
    with KeysteadProcess(folder / "var") as keystead:
        keystead.trusted = authority.client()
        keystead.init()
        given = ["--tls-certificate", str(files.certificate), "--tls-key", str(files.key)]
        keystead.start(workers=2, options=given)
        yield SecureScene(set_up(keystead), authority.write(folder / "authority.pem"))


def set_up(keystead: KeysteadProcess) -> Scene:
    """Make a running service's keys and clients."""
    assert keystead.ready is not None
    url = keystead.ready.verify_url.partition("/wsapi/")[0]
    (key,) = known_keys(keystead, 1)
    party = RelyingParty.enrol(keystead, "party")
    throttled = RelyingParty.enrol(keystead, "throttled", *_ONCE_A_DAY)
    first = keystead.get(url + throttled.target(key.press(), secrets.token_hex(16)))
    assert first.status == "OK"
    return Scene(keystead, url, key, party, throttled, throttled.client_id + 1_000_000)


# No refill during the tests: the second session is over the limit whenever it comes.
_ONCE_A_DAY = ("--rate", "1000", "--burst", "1000", "--per-day", "1")
