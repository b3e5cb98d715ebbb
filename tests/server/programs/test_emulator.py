"""`keystead emulator` over HTTP: the connector's two pages, and what they refuse."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientConnectionError
from aiohttp.test_utils import TestClient, TestServer

from hsm.emulator.core import Emulator
from hsm.emulator.faults import Fault, Mishaps
from server.programs.cli import main
from server.web.connector import Connector

_ECHO = b"\x01\x00\x02hi"


@pytest.fixture
async def client() -> AsyncIterator[TestClient]:  # type: ignore[type-arg]
    emulator = Emulator()
    connector = Connector(emulator.transceive, 3_999_999_999, host="127.0.0.1", port=12345)
    application = connector.application()
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
    assert lines["serial"] == "3999999999"


@pytest.mark.parametrize("size", [0, 2, 3140, 100_000])
async def test_a_length_that_no_message_has_is_refused(client: TestClient, size: int) -> None:  # type: ignore[type-arg]
    answer = await client.post("/connector/api", data=bytes(size))
    assert answer.status == 400


async def test_a_lost_reply_cuts_the_connection() -> None:
    mishaps = Mishaps(Emulator())
    mishaps.plan(Fault.REPLY_LOST)
    application = Connector(mishaps.transceive, 1, host="127.0.0.1", port=1).application()
    async with TestClient(TestServer(application)) as client:
        with pytest.raises(ClientConnectionError):
            await client.post("/connector/api", data=_ECHO)
        answer = await client.post("/connector/api", data=_ECHO)
        assert answer.status == 200


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


def test_production_has_no_emulator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "keystead.toml").write_text('environment = "production"\n')
    assert main(["--data", str(tmp_path), "emulator"]) == 1
    assert "hardware" in capsys.readouterr().err
