"""One running service for all clients, and who is who at its door."""

import secrets
from collections.abc import Iterator
from typing import NamedTuple

import pytest

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


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with KeysteadProcess(tmp_path_factory.mktemp("clients") / "var") as keystead:
        keystead.init()
        ready = keystead.start(workers=1)
        url = ready.verify_url.partition("/wsapi/")[0]
        (key,) = known_keys(keystead, 1)
        party = RelyingParty.enrol(keystead, "party")
        throttled = RelyingParty.enrol(keystead, "throttled", *_ONCE_A_DAY)
        first = keystead.get(url + throttled.target(key.press(), secrets.token_hex(16)))
        assert first.status == "OK"
        yield Scene(keystead, url, key, party, throttled, throttled.client_id + 1_000_000)


# No refill during the tests: the second session is over the limit whenever it comes.
_ONCE_A_DAY = ("--rate", "1000", "--burst", "1000", "--per-day", "1")
