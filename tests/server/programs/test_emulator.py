"""`keystead emulator` over HTTP: the connector's two pages, and what they refuse."""

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer

from hsm.emulator.core import Emulator, Executed
from hsm.emulator.timing import duration
from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.command import Command
from server.address import Address
from server.programs.cli import main
from server.programs.emulator import Connector

_ECHO = b"\x01\x00\x02hi"


@pytest.fixture
async def client() -> AsyncIterator[TestClient]:  # type: ignore[type-arg]
    application = Connector(Emulator(), Address("127.0.0.1", 12345), timed=True).application()
    async with TestClient(TestServer(application)) as made:
        yield made


async def test_a_message_is_posted_and_its_answer_comes_back(client: TestClient) -> None:  # type: ignore[type-arg]
    answer = await client.post("/connector/api", data=_ECHO)
    assert answer.status == 200
    assert answer.content_type == "application/octet-stream"
    assert await answer.read() == b"\x81\x00\x02hi"


async def test_the_status_page_says_what_it_is(client: TestClient) -> None:  # type: ignore[type-arg]
    answer = await client.get("/connector/status")
    lines = dict(line.split("=", 1) for line in (await answer.text()).splitlines())
    assert list(lines) == ["status", "serial", "version", "pid", "address", "port"]
    assert (lines["status"], lines["port"], lines["pid"]) == ("OK", "12345", "EMULATOR")


@pytest.mark.parametrize("size", [0, 2, 3140, 100_000])
async def test_a_length_that_no_message_has_is_refused(client: TestClient, size: int) -> None:  # type: ignore[type-arg]
    answer = await client.post("/connector/api", data=bytes(size))
    assert answer.status == 400


async def test_wrong_methods_are_refused(client: TestClient) -> None:  # type: ignore[type-arg]
    assert (await client.get("/connector/api")).status == 405
    assert (await client.post("/connector/status", data=_ECHO)).status == 405


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--firmware", "9.9.9"], "is not emulated"),
        (["--listen", "nowhere"], "HOST:PORT"),
        (["--timing", "fast"], "yubihsm2"),
    ],
)
def test_wrong_usage_is_explained(
    capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    assert main(["emulator", *arguments]) == 2
    assert why in capsys.readouterr().err


def test_durations_are_the_published_ones() -> None:
    assert duration(Executed(Command.SIGN_ECDSA, Algorithm.EC_P256)) == 0.073
    assert duration(Executed(Command.SIGN_PKCS1, Algorithm.RSA_2048)) == 0.139
    assert duration(Executed(Command.WRAP_DATA, Algorithm.AES256_CCM_WRAP)) == 0.010
    assert duration(Executed(Command.ECHO, None)) == duration(None) < 0.004
