"""Key-signed, the whole way: a real server, a real agent, a virtual key at a real PC/SC daemon.

The virtual key's roots are of the tests' own. The server trusts them as it would newer ones of
Yubico's: by an edition that somebody signed whose key is configured.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.agent_process import AgentProcess
from tests.keystead_process import KeysteadProcess
from tests.pcsc_daemon import USB_READER, PcscDaemon
from tests.server.fleet.attestations import SERIAL, a_provisioned_key, edition_of
from tests.virtual_yubikey.identity import yubikey_5_nfc
from tests.virtual_yubikey.yubikey import VirtualYubiKey

PLAIN = 16234567


@pytest.fixture(scope="module")
def daemon() -> Iterator[PcscDaemon]:
    with PcscDaemon([USB_READER]) as started:
        yield started


def test_a_key_proves_itself_once_provisioned_and_a_host_that_says_otherwise_is_shown(
    daemon: PcscDaemon, tmp_path: Path
) -> None:
    key = a_provisioned_key()
    (tmp_path / "edition.json").write_text(json.dumps(edition_of(key.manufacturer)))
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        files = {name: str(tmp_path / name) for name in ("edition.json", "signer.pem", "signed")}
        said = keystead.run(
            *("fleet", "roots", "sign", files["edition.json"]),
            *("--key", files["signer.pem"], "--out", files["signed"]),
            data=False,
        ).out
        keystead.configure(
            f'[fleet]\nserial = "hash"\ninterval_seconds = 60\nproofs = ["signed"]\n'
            f"{said.strip().removeprefix('fleet.')}\n"
        )
        keystead.start(options=["--fleet-listen", "127.0.0.1:0"])
        assert keystead.ready is not None
        assert keystead.cli("fleet", "roots", "load", files["signed"])["edition"] == 2
        agent = enrolled(keystead, tmp_path / "agent", "laptop-17")
        with daemon.insert(key), daemon.insert(VirtualYubiKey(yubikey_5_nfc(PLAIN)), slot=1):
            agent.start()
            keystead.wait_until(lambda: trust(keystead, SERIAL) == "key-signed", within_s=60)
            keystead.wait_until(lambda: bool(found(keystead, PLAIN)))
            assert trust(keystead, PLAIN) == "host-signed"
            facts = found(keystead, SERIAL)["facts"]
            assert facts["piv.pin.default"]["trust"] == "host-signed"
            assert str(SERIAL) not in json.dumps(keystead.cli("fleet", "keys"))
            keystead.wait_until(
                lambda: "key-signed" in agent.data("status", "--json").get("proved", "")
            )
        assert agent.stop() == 0
        assert "Traceback" not in agent.log
        (host,) = keystead.cli("fleet", "hosts")["hosts"]
        assert host["altered"] == 0
        assert sum(sent[2:4] == "87" for sent in key.traffic.sent()) >= 1

        # Another laptop, on which the same key pretends to be an older one.
        lying = VirtualYubiKey(yubikey_5_nfc(SERIAL))
        liar = enrolled(keystead, tmp_path / "liar", "laptop-18")
        with daemon.insert(lying):
            assert liar.command("once", "--send").returncode == 0
        hosts = {one["name"]: one["altered"] for one in keystead.cli("fleet", "hosts")["hosts"]}
        assert hosts == {"laptop-17": 0, "laptop-18": 1}
        shown = found(keystead, SERIAL)
        assert "altered" in {fault["rule"] for fault in shown["faults"]}
        firmware = shown["facts"]["device.firmware"]
        assert (firmware["value"], firmware["trust"]) == ("5.7.4", "key-signed")
        assert [one["value"] for one in firmware["others"]] == ["5.4.3"]


def enrolled(keystead: KeysteadProcess, directory: Path, name: str) -> AgentProcess:
    assert keystead.ready is not None
    agent = AgentProcess(directory)
    token = keystead.cli("fleet", "token", "create", "--host", name)["token"]
    agent.enrol(keystead.ready.fleet_url, token, "--host-name", name)
    return agent


def found(keystead: KeysteadProcess, serial: int) -> Any:  # noqa: ANN401 - JSON
    keys = keystead.cli("fleet", "keys", "--serial", str(serial))["keys"]
    return keys[0] if keys else {}


def trust(keystead: KeysteadProcess, serial: int) -> str:
    facts = found(keystead, serial).get("facts", {})
    return str(facts.get("device.firmware", {}).get("trust", ""))
