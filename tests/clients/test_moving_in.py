"""The journey of an operator who leaves yubikey-val: three files, and nothing is lost.

20,000 keys with counters and 50 clients are imported into a running service. Clients that
nobody here wrote then validate with the ids and API keys they have, and an OTP that was used on
the old server is refused on the new one.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.clients.client import Client
from tests.clients.test_clients import CLIENTS
from tests.keystead_process import KeysteadProcess
from tests.server.moving_files import (
    ReferenceClient,
    ReferenceKey,
    client_file,
    counter_file,
    key_file,
)

KEYS = 20_000
CLIENT_IDS = range(11, 61)


class Moved(NamedTuple):
    """A service that took over a reference server's store."""

    keystead: KeysteadProcess
    url: str
    keys: Sequence[ReferenceKey]
    clients: Sequence[ReferenceClient]


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moved]:
    directory = tmp_path_factory.mktemp("moving-in")
    dice = random.Random(20_000)  # noqa: S311 - counters, no secrets
    keys = [
        ReferenceKey(session=dice.randrange(1, 0x7000), use=dice.randrange(256))
        for _ in range(KEYS)
    ]
    clients = [ReferenceClient.new(client_id) for client_id in CLIENT_IDS]
    with KeysteadProcess(directory / "var") as keystead:
        keystead.init()
        ready = keystead.start()
        files = write(directory, keys, clients)
        report = keystead.cli("import", *files)
        assert report["imported"]
        assert {name: counts["new"] for name, counts in report["files"].items()} == {
            "clients": len(CLIENT_IDS),
            "keys": KEYS,
            "counters": KEYS,
        }
        yield Moved(keystead, ready.verify_url.partition("/wsapi/")[0], keys, clients)


def write(
    directory: Path, keys: Sequence[ReferenceKey], clients: Sequence[ReferenceClient]
) -> list[str]:
    """Write the three files; return the options that name them."""
    texts = {
        "keys": key_file(keys),
        "counters": counter_file(keys),
        "clients": client_file(clients),
    }
    options: list[str] = []
    for name, text in texts.items():
        path = directory / f"{name}.csv"
        path.write_text(text)
        options += [f"--{name}", str(path)]
    return options


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_the_clients_of_the_old_server_validate_and_its_otps_are_refused(
    moved: Moved, client: Client
) -> None:
    at = CLIENTS.index(client)
    party, key = moved.clients[at], moved.keys[at * 1000]
    for otp, accepted in (
        (key.last_otp(), False),
        (key.next_otp(), True),
        (key.next_otp(), False),
        (key.last_otp(), False),
    ):
        answer = client.verify(moved.url, party.client_id, party.api_key, otp)
        assert answer.accepted is accepted, answer.said


def test_no_key_accepts_what_it_used_on_the_old_server(moved: Moved) -> None:
    client_id = moved.clients[-1].client_id
    moved.keystead.cli("client", "limit", str(client_id), "--rate", "1000000", "--burst", "1000000")
    for key in moved.keys[::200]:
        assert moved.keystead.verify(client_id, key.last_otp()).status == "REPLAYED_OTP"
