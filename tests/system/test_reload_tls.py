"""New certificates under load over TLS: every worker shows them, and no connection is dropped."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.certificates import Authority
from tests.keystead_process import KeysteadProcess
from tests.system.conftest import PATIENT, WORKERS
from tests.system.hands import Hand, events, reload
from tests.system.relying_party import RelyingParty
from tests.system.yubikeys import known_keys

ROUNDS = 2
HANDS = 12
LOOKS = 16
"""New connections that are looked at: enough that each worker gets one of them."""

IDLE_S = 120.0
"""Longer than any machine takes for a successor: no connection here ends for being idle."""


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def keystead(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, folder: Path
) -> Iterator[KeysteadProcess]:
    """Run a service with workers that speaks TLS."""
    files = authority.issue(folder)
    with KeysteadProcess(tmp_path_factory.mktemp("reload") / "var") as service:
        service.trusted = authority.client()
        service.init()
        service.configure(
            f"{PATIENT}idle_seconds = {IDLE_S}\n"
            f'[tls]\ncertificate = "{files.certificate}"\nkey = "{files.key}"\n'
        )
        service.start(workers=WORKERS)
        yield service


def shown(keystead: KeysteadProcess) -> set[bytes | None]:
    """Return the certificates that new connections get."""
    assert keystead.ready is not None
    assert keystead.trusted is not None
    parts = urlsplit(keystead.ready.verify_url)
    found = set()
    for _ in range(LOOKS):
        with (
            socket.create_connection((parts.hostname, parts.port), 30.0) as bare,
            keystead.trusted.wrap_socket(bare, server_hostname=parts.hostname) as tls,
        ):
            found.add(tls.getpeercert(binary_form=True))
    return found


async def test_certificates_are_replaced_under_load_and_every_request_is_answered(
    keystead: KeysteadProcess, authority: Authority, folder: Path
) -> None:
    party = RelyingParty.enrol(keystead, "crowd")
    keys = known_keys(keystead, HANDS * 2)
    assert keystead.ready is not None
    url = keystead.ready.verify_url
    hands = [Hand(url, party, keys[n::HANDS], authority.client()) for n in range(HANDS)]
    seen = [await asyncio.to_thread(shown, keystead)]
    async with asyncio.TaskGroup() as group:
        for number, hand in enumerate(hands):
            # Half keep their connection as long as they may, half shake hands for each request.
            group.create_task(hand.ask(at_most=1 if number % 2 else 1_000_000))
        for _ in range(ROUNDS):
            authority.issue(folder)
            assert await asyncio.to_thread(reload, keystead) == "reloaded"
            seen.append(await asyncio.to_thread(shown, keystead))
        for hand in hands:
            hand.going = False
    assert [len(certificates) for certificates in seen] == [1] * (ROUNDS + 1)
    assert len(set().union(*seen)) == ROUNDS + 1
    assert min(hand.answered for hand in hands) > 0
    assert keystead.responses("OK") == sum(hand.answered for hand in hands)
    assert not events(keystead, "worker_died", "workers_killed", "tls_reload_refused")
