"""Key-channel, the whole way: a real server reads a virtual key through a real agent and PC/SC.

Nothing but the classes of reading and relaying reaches the key; a laptop that alters what it
relays is counted and shown, and nothing that it made of it is kept.
"""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from agent.proof_wire import CHALLENGES, CHANNELS
from agent.whitelist import ForbiddenCommandError, permit
from agent.whitelist_channel import ChannelRules
from tests.agent.agent_process import AgentProcess
from tests.keystead_process import KeysteadProcess
from tests.pcsc_daemon import USB_READER, PcscDaemon
from tests.server.fleet.attestations import edition_of
from tests.virtual_yubikey.identity import yubikey_5c_nfc
from tests.virtual_yubikey.traffic import Traffic
from tests.virtual_yubikey.yubikey import VirtualYubiKey

FIRST, SECOND = 31234567, 31234568


@pytest.fixture(scope="module")
def daemon() -> Iterator[PcscDaemon]:
    with PcscDaemon([USB_READER]) as started:
        yield started


def meddling(command: bytes, answer: bytes) -> bytes:
    """Change what comes through a channel, as a laptop in the wrong hands does."""
    if not command[0] & 0x04 or len(answer) < 3:
        return answer
    return bytes((answer[0] ^ 0x01,)) + answer[1:]


def test_the_server_reads_a_key_past_the_laptop_and_a_laptop_that_alters_it_is_shown(
    daemon: PcscDaemon, tmp_path: Path
) -> None:
    key = VirtualYubiKey(yubikey_5c_nfc(FIRST))
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
            f'[fleet]\nserial = "hash"\ninterval_seconds = 60\nproofs = ["channel"]\n'
            f"{said.strip().removeprefix('fleet.')}\n"
        )
        keystead.start(options=["--fleet-listen", "127.0.0.1:0"])
        assert keystead.ready is not None
        # What the organisation does not ask for is not even refused: it is not there.
        assert answered(keystead.ready.fleet_url, CHALLENGES) == "no-such-request"
        assert answered(keystead.ready.fleet_url, CHANNELS) != "no-such-request"
        keystead.cli("fleet", "roots", "load", files["signed"])
        agent = AgentProcess(tmp_path / "agent")
        token = keystead.cli("fleet", "token", "create", "--host", "laptop-17")["token"]
        agent.enrol(keystead.ready.fleet_url, token, "--host-name", "laptop-17")
        with daemon.insert(key):
            agent.start()
            keystead.wait_until(
                lambda: trust(keystead, FIRST, "piv.pin.default") == "key-channel", within_s=90
            )
        facts = found(keystead, FIRST)["facts"]
        assert facts["device.firmware"] == facts["device.firmware"] | {
            "value": "5.7.4",
            "trust": "key-channel",
        }
        assert (
            facts["fido.pin_set" if "fido.pin_set" in facts else "oath.password_set"]["trust"]
            == "host-signed"
        )
        assert altered(keystead) == 0
        check(key.traffic)
        secured = [one for one in key.traffic if one.secured]
        assert len(secured) >= 10
        assert not any(FIRST.to_bytes(4, "big") in one.answered for one in secured)

        other = VirtualYubiKey(yubikey_5c_nfc(SECOND), manufacturer=key.manufacturer)
        with daemon.insert(other, distortion=meddling):
            keystead.wait_until(lambda: altered(keystead) == 1, within_s=90)
        kept = found(keystead, SECOND)["facts"]
        assert {one["trust"] for one in kept.values()} == {"host-signed"}
        assert keystead.metrics()['keystead_fleet_requests_total{outcome="altered"}'] == 1
        assert agent.stop() == 0
        assert "Traceback" not in agent.log


def answered(url: str, path: str) -> str:
    """Ask for a dialogue with nothing in it; return the code of the refusal."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=9)
    with closing(connection):
        connection.request("POST", path, b"{}", {"Content-Type": "application/json"})
        return str(json.loads(connection.getresponse().read())["code"])


def check(traffic: Traffic) -> None:
    """See that all that was said is of the class of reading, or of that of relaying, in order."""
    rules = ChannelRules()
    for exchange in traffic:
        try:
            rules.permit(exchange.sent)
        except ForbiddenCommandError:
            permit(exchange.sent)


def altered(keystead: KeysteadProcess) -> int:
    (host,) = keystead.cli("fleet", "hosts")["hosts"]
    return int(host["altered"])


def found(keystead: KeysteadProcess, serial: int) -> Any:  # noqa: ANN401 - JSON
    keys = keystead.cli("fleet", "keys", "--serial", str(serial))["keys"]
    return keys[0] if keys else {}


def trust(keystead: KeysteadProcess, serial: int, fact: str) -> str:
    facts = found(keystead, serial).get("facts", {})
    return str(facts.get(fact, {}).get("trust", ""))
