"""A short run against a real Keystead passes, and everything that can be proven is proven."""

import asyncio
import json
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from loadtest.exits import Exit
from loadtest.keyfile import main as make_keys
from loadtest.ledger import unclosed
from tests.keystead_process import KeysteadProcess
from tests.loadtest.load_process import LONGEST_S, end, load, start


async def test_a_fresh_service_of_its_own_passes_and_nothing_of_it_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    load_options = ("--duration", "6s", "--users", "12", "--processes", "2", "--pause", "0.1")
    run = await load(tmp_path, "--own-server", *load_options)
    assert run.code == Exit.PASSED, run.said
    assert run.summary["violations"] == 0
    assert run.summary["requests"] > 0
    for name, property_ in run.summary["properties"].items():
        assert property_["held"], name
        assert property_["checked"] > 0, name
    assert "not read" not in run.said
    assert list((tmp_path / "temporary").iterdir()) == []


async def test_an_interrupted_run_proves_nothing_and_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    options = ("--own-server", "--duration", "1h", "--users", "4", "--processes", "2")
    process = await start(tmp_path, *options)
    ledgers = tmp_path / "reports" / "ledger"

    def is_under_load() -> bool:
        sizes = [path.stat().st_size for path in ledgers.glob("process-*.ledger")]
        return len(sizes) == 2 and min(sizes) > 1000

    try:
        async with asyncio.timeout(LONGEST_S):
            while not is_under_load():
                assert process.returncode is None
                await asyncio.sleep(0.1)
        (plan,) = temporary.glob("keystead-load-*/plan.json")
        service = urlsplit(json.loads(plan.read_text())["target"])
        assert service.port is not None
        socket.create_connection(("127.0.0.1", service.port)).close()
    finally:
        process.terminate()
    run = await end(process, tmp_path)
    assert run.code == Exit.BROKEN, run.said
    assert "interrupted" in run.said
    assert not run.summary
    assert list(temporary.iterdir()) == []
    assert unclosed(ledgers) == []  # Locust's processes ended by themselves
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", service.port))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeysteadProcess]:
    """Run a service, with `clients.json` and `keys.json` beside its data directory."""
    place = tmp_path_factory.mktemp("load")
    with KeysteadProcess(place / "var") as keystead:
        keystead.init()
        keystead.start(workers=2)
        client = keystead.cli("client", "add", "web")
        limits = {"rate": 500, "burst": 2000}
        options = [f"--{name}={value}" for name, value in limits.items()]
        keystead.cli("client", "limit", str(client["id"]), *options)
        (place / "clients.json").touch(mode=0o600)
        (place / "clients.json").write_text(json.dumps([client | limits]))
        make_keys(["--keys", "8", str(place / "keys.json"), str(place / "keys.csv")])
        keystead.cli("key", "import", str(place / "keys.csv"), "--format", "ksm")
        yield keystead


def options_for(service: KeysteadProcess) -> list[str]:
    assert service.ready is not None
    place = service.directory.parent
    return [
        "--target",
        service.ready.verify_url.removesuffix("/wsapi/2.0/verify"),
        *("--keys", str(place / "keys.json"), "--clients", str(place / "clients.json")),
        *("--keystead", shlex.join(service.command())),
        *("--metrics", f"{service.ready.ops_url}/metrics"),
        *("--duration", "3s", "--users", "6", "--pause", "0.1"),
    ]


async def test_a_service_that_runs_already_passes_and_the_next_run_presses_other_otps(
    service: KeysteadProcess, tmp_path: Path
) -> None:
    for _ in range(2):
        run = await load(tmp_path, *options_for(service), "--alone")
        assert run.code == Exit.PASSED, run.said
        assert run.summary["properties"]["P2"]["checked"] > 0
        assert run.summary["properties"]["P5"]["checked"] > 0


async def test_a_key_that_was_disabled_behind_its_back_ends_the_run(
    service: KeysteadProcess, tmp_path: Path
) -> None:
    place = service.directory.parent
    key = json.loads((place / "keys.json").read_text())["keys"][0]["public_id"]
    service.cli("key", "disable", key)
    try:
        run = await load(tmp_path, *options_for(service))
    finally:
        service.cli("key", "enable", key)
    assert run.code == Exit.NONE_FOR_OK, run.said
    assert "HTTP 200 BAD_OTP instead of OK" in run.said


async def test_a_clients_limit_that_is_not_the_one_in_the_file_ends_the_run(
    service: KeysteadProcess, tmp_path: Path
) -> None:
    place = service.directory.parent
    client = json.loads((place / "clients.json").read_text())[0]
    service.cli("client", "limit", str(client["id"]), "--rate=1", "--burst=1")
    try:
        run = await load(tmp_path, *options_for(service))
    finally:
        service.cli("client", "limit", str(client["id"]), "--rate=500", "--burst=2000")
    assert run.code == Exit.NONE_FOR_OK, run.said
    assert "HTTP 429 OPERATION_NOT_ALLOWED instead of OK" in run.said


async def test_a_command_line_that_cannot_be_asked_is_told_before_anything_is_sent(
    service: KeysteadProcess, tmp_path: Path
) -> None:
    options = options_for(service)
    options[options.index("--keystead") + 1] = "false"
    before = service.responses("OK")
    run = await load(tmp_path, *options)
    assert run.code == Exit.BROKEN
    assert "false key list --json" in run.said
    assert not run.summary
    assert service.responses("OK") == before
