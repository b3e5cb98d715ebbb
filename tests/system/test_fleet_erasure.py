"""Whoever is erased is in no file any more: a real service, its data directory, and its log."""

import base64
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.identity import Identity
from agent.report import (
    ENROLMENT_CONTEXT,
    HOST_HEADER,
    REPORT_CONTEXT,
    SIGNATURE_HEADER,
    Report,
    encode,
)
from tests.keystead_process import KeysteadProcess
from tests.server.fleet.reports import HEALTHY, TODAY, a_key, a_report

NAME, PERSON = "zq-marked-laptop", "Zq Marked Person"
MARKS = (NAME, NAME.upper(), PERSON, "zq-marked", "7777771")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def keystead(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeysteadProcess]:
    with KeysteadProcess(tmp_path_factory.mktemp("fleet") / "var") as service:
        service.init()
        service.configure('[fleet]\nserial = "plain"\ncertificate_names = true\n')
        service.start(workers=2, options=["--fleet-listen", "127.0.0.1:0"])
        yield service


class Agent:
    """A laptop as far as the wire goes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.identity = Identity.fresh(url, NAME, "")

    def post(self, path: str, context: bytes, body: bytes) -> Any:  # noqa: ANN401 - JSON
        headers = {
            "Content-Type": "application/json",
            HOST_HEADER: self.identity.host,
            SIGNATURE_HEADER: self.identity.sign(context, body),
        }
        request = urllib.request.Request(self.url + path, body, headers)  # noqa: S310 - loopback
        with _DIRECT.open(request, timeout=30) as answer:
            return json.loads(answer.read())

    def enrol(self, token: str) -> None:
        asked = {
            "format": 1,
            "token": token,
            "host": self.identity.host,
            "name": NAME,
            "public_key": base64.b64encode(self.identity.public_key).decode(),
            "system": PERSON,
            "agent": "zq-marked-agent",
        }
        body = json.dumps(asked).encode()
        self.post("/fleet/v1/enrolments", ENROLMENT_CONTEXT, body)

    def report(self, report: Report) -> None:
        made = report._replace(host=self.identity.host, release=f"{PERSON}'s Debian")
        self.post("/fleet/v1/reports", REPORT_CONTEXT, encode(made))


def found(keystead: KeysteadProcess) -> dict[str, list[str]]:
    """Return which marks stand in which files."""
    files = [*keystead.directory.rglob("*"), keystead.out_file, keystead.log_file]
    marks: dict[str, list[str]] = {}
    for file in files:
        octets = file.read_bytes() if file.is_file() and not file.is_socket() else b""
        if there := [mark for mark in MARKS if mark.encode() in octets]:
            marks[str(Path(file).name)] = there
    return marks


def test_an_erased_host_and_its_person_are_in_no_file(keystead: KeysteadProcess) -> None:
    assert keystead.ready is not None
    agent = Agent(keystead.ready.fleet_url)
    token = keystead.cli("fleet", "token", "create", "--host", NAME)["token"]
    agent.enrol(token)
    for tries in range(1, 20):
        facts = {
            **HEALTHY,
            "piv.certificate.9a.subject": f"CN={PERSON} {tries}",
            "piv.pin.tries": tries,
        }
        agent.report(a_report(a_key(facts, serial=77_777_771), sequence=tries, day=TODAY))
    (host,) = keystead.cli("fleet", "hosts")["hosts"]
    assert host["name"] == NAME
    assert any(file.startswith("keystead.db") for file in found(keystead))
    plan = keystead.cli("fleet", "retention")
    assert {one["what"]: one["due"] for one in plan["kept"]} == {
        "changes": 0,
        "hosts": 0,
        "keys": 0,
        "silent": 0,
        "tokens": 0,
    }
    shown = keystead.run("fleet", "retention").out
    assert "for good" in shown, "hosts are not erased without fleet.hosts_days"
    agent.report(a_report(a_key(HEALTHY, serial=77_777_714), sequence=20, day=TODAY))
    gone = keystead.run("fleet", "erase-key", "serial:77777714", "--reason", "given away")
    assert (gone.code, "erased" in gone.out) == (0, True), gone.err
    assert [one["serial"] for one in keystead.cli("fleet", "keys")["keys"]] == [77_777_771]
    keystead.cli("fleet", "erase", host["id"], "--reason", "the laptop was sold")
    assert found(keystead) == {}, "while it serves"
    counted = keystead.metrics()
    assert not [name for name in counted if any(mark in name for mark in (*MARKS, host["id"]))]
    assert keystead.cli("fleet", "keys")["keys"] == []
    assert keystead.terminate() == 0
    assert found(keystead) == {}
