"""The whole way of a key on a laptop: a real server, a real agent, a virtual key at real PC/SC.

Enrolled, inserted, reported, hit by an advisory, pulled, and the host forgotten; with the server
killed and the agent killed in between, no report is lost and none counts twice.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.agent_process import AgentProcess
from tests.keystead_process import KeysteadProcess
from tests.pcsc_daemon import USB_READER, PcscDaemon
from tests.virtual_yubikey.identity import yubikey_5_nfc, yubikey_5c_nfc
from tests.virtual_yubikey.yubikey import VirtualYubiKey

OLD, NEW = 16234567, 31234567
POLICY = '[fleet]\nserial = "plain"\ninterval_seconds = 60\nattached = true\n'


@pytest.fixture(scope="module")
def daemon() -> Iterator[PcscDaemon]:
    with PcscDaemon([USB_READER]) as started:
        yield started


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[KeysteadProcess, dict[str, Any]]]:
    options: dict[str, Any] = {"workers": 2}
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        keystead.configure(POLICY)
        keystead.start(options=["--fleet-listen", "127.0.0.1:0"], **options)
        assert keystead.ready is not None
        where = keystead.ready.fleet_url.removeprefix("http://")
        options["options"] = ["--fleet-listen", where]
        yield keystead, options


def keys(keystead: KeysteadProcess) -> dict[int, Any]:
    return {key["serial"]: key for key in keystead.cli("fleet", "keys")["keys"]}


def host(keystead: KeysteadProcess) -> Any:  # noqa: ANN401 - JSON
    (found,) = keystead.cli("fleet", "hosts")["hosts"]
    return found


def affected(keystead: KeysteadProcess, advisory: str) -> dict[int, Any]:
    found = keystead.cli("fleet", "affected", advisory)["keys"]
    return {key["serial"]: key for key in found}


def test_a_key_is_seen_judged_missed_and_forgotten(
    service: tuple[KeysteadProcess, dict[str, Any]], daemon: PcscDaemon, tmp_path: Path
) -> None:
    keystead, options = service
    assert keystead.ready is not None
    agent = AgentProcess(tmp_path / "agent")
    token = keystead.cli("fleet", "token", "create", "--host", "laptop-17")["token"]
    agent.enrol(keystead.ready.fleet_url, token, "--host-name", "laptop-17")
    refused = AgentProcess(tmp_path / "other")
    refused.directory.mkdir()
    (refused.directory / "token").write_text(token)
    again = refused.command(
        *("enroll", "--server", keystead.ready.fleet_url, "--host-name", "laptop-17"),
        *("--token-file", str(refused.directory / "token")),
    )
    assert again.returncode != 0
    assert "bad-token" in again.stderr

    old = VirtualYubiKey(yubikey_5_nfc(OLD))
    old.piv.state.pin.left = 1
    with daemon.insert(old):
        agent.start()
        keystead.wait_until(lambda: OLD in keys(keystead))
        seen = keys(keystead)[OLD]
        assert seen["level"] == "danger"
        assert {"piv-pin-tries", "piv-pin-default"} <= {one["rule"] for one in seen["faults"]}
        assert [one["name"] for one in seen["seen"]] == ["laptop-17"]
        assert {fact["trust"] for fact in seen["facts"].values()} == {"host-signed"}
        hit = affected(keystead, "YSA-2024-03")
        assert (hit[OLD]["affected"], hit[OLD]["exposed"]) == ("affected", "exposed")
        assert hit[OLD]["hosts"] == ["laptop-17"]
        # A job asks advisories about it by itself, and tells what it found.
        keystead.wait_until(lambda: keystead.cli("fleet", "advisories", "show")["waiting"] == 0)

        # The server is away while a key comes; its report waits for it.
        keystead.kill()
        with daemon.insert(VirtualYubiKey(yubikey_5c_nfc(NEW)), slot=1):
            keystead.wait_until(lambda: json_of(agent)["waiting"] > 0)
            agent.kill()
            agent.start()
            keystead.start(**options)
            keystead.wait_until(lambda: NEW in keys(keystead), within_s=120)
            assert NEW not in affected(keystead, "YSA-2024-03")
    keystead.wait_until(
        lambda: not any(one["attached"] for key in keys(keystead).values() for one in key["seen"]),
        within_s=120,
    )
    assert agent.stop() == 0
    told = host(keystead)
    assert (told["missing"], told["clashes"], told["state"]) == (0, 0, "active")
    counted = keystead.metrics()
    assert counted['keystead_fleet_requests_total{outcome="new"}'] >= 1

    erased = keystead.cli("fleet", "erase", told["id"], "--reason", "the laptop was sold")
    assert (erased["state"], erased["name"]) == ("erased", "")
    assert keys(keystead) == {}
    assert "laptop-17" not in json.dumps(keystead.cli("journal", "list"))


def json_of(agent: AgentProcess) -> Any:  # noqa: ANN401 - JSON
    return agent.data("status", "--json")
