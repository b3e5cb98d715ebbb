"""Holders from a sheet to an alarm and back: the real commands, a real server, real reports.

No key is needed: reports are made and carried by the agent's own outbox and courier.
"""

import csv
import io
import json
import os
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.composing import Host, reports_of
from agent.courier import Courier
from agent.http_client import Client
from agent.identity import Identity as HostIdentity
from agent.identity import load
from agent.report import Identity, KeyReport, Report, serial_hash
from agent.server_url import parse_server_url
from agent.store import Store
from tests.agent.agent_process import AgentProcess
from tests.keystead_process import KeysteadProcess

SHARED, LOST, AHEAD = 16234567, 17234567, 31234567
POLICY = "[fleet]\nclaims = true\n"


@pytest.fixture
def keystead(tmp_path: Path) -> Iterator[KeysteadProcess]:
    with KeysteadProcess(tmp_path / "var") as started:
        started.init()
        started.configure(POLICY)
        started.start(options=["--fleet-listen", "127.0.0.1:0"])
        yield started


class Laptop:
    """A laptop with an enrolled agent, whose keys are what a test says."""

    def __init__(self, keystead: KeysteadProcess, directory: Path, name: str) -> None:
        assert keystead.ready is not None
        self.agent = AgentProcess(directory)
        token = keystead.cli("fleet", "token", "create", "--host", name)["token"]
        self.agent.enrol(keystead.ready.fleet_url, token, "--host-name", name)
        identity = load(directory)
        assert identity is not None
        self.identity: HostIdentity = identity

    def report(self, *serials: int) -> None:
        """Report keys, and carry what waits: reports and claims."""
        today = datetime.now(UTC).date()
        store = Store(self.agent.directory)
        client = Client(parse_server_url(self.identity.server), "", "tests")
        host = Host(self.identity.host, "0.1.0", "linux", '=cmd|" /C calc"!A0', {})
        keys = [self._key(serial, today) for serial in serials]

        def make(sequence: int, dropped: int) -> list[Report]:
            return reports_of(
                host,
                keys,
                day=today,
                next_sequence=sequence,
                dropped=dropped,
                new_id=lambda: os.urandom(16).hex(),
            )

        try:
            store.begin(self.identity.host)
            store.put(make, {})
            dice = random.Random(1)  # noqa: S311 - jitter
            trip = Courier(self.identity, client, store, dice).carry()
            assert (trip.problem, trip.wait_s) == ("", None)
        finally:
            client.close()
            store.close()

    def _key(self, serial: int, today: date) -> KeyReport:
        assert self.identity.policy.serial_key is not None
        named = Identity(serial_hash=serial_hash(self.identity.policy.serial_key, serial))
        return KeyReport(named, today, None, {"device.firmware": "5.7.4"}, {})


def keys(keystead: KeysteadProcess, *options: str) -> list[Any]:
    return list(keystead.cli("fleet", "keys", *options)["keys"])


def sheet(keystead: KeysteadProcess, *command: str) -> list[dict[str, str]]:
    """Run a command that prints a sheet, and read it as a spreadsheet does."""
    ended = keystead.run(*command)
    assert ended.code == 0, ended.err
    return list(csv.DictReader(io.StringIO(ended.out)))


def import_holders(keystead: KeysteadProcess, file: Path) -> None:
    """Import a sheet, after it was wrong once and tried once."""
    file.write_text(f"serial;person;kind\n{SHARED};=Anna;primary\n{AHEAD};Bo;borrowed\n")
    refused = keystead.run("fleet", "holders", "import", str(file))
    assert refused.code == 1
    assert f"{file}:3:3: kind: it must be primary, spare or lost" in refused.err
    file.write_text(
        f"serial,person,kind\n{SHARED},Anna Berg,primary\n{AHEAD},Bo,spare\n{LOST},Bo,lost\n",
        encoding="utf-8-sig",
    )
    tried = keystead.cli("fleet", "holders", "import", str(file), "--dry-run")
    assert tried == {"imported": False, "new": 3, "changed": 0, "unchanged": 0}
    assert keystead.cli("fleet", "holders", "import", str(file))["new"] == 3


def read_sheets(keystead: KeysteadProcess, file: Path, key_id: str) -> None:
    """Read what the commands print as sheets, and import what was exported."""
    exported = keystead.run("fleet", "holders", "export").out
    file.write_text(exported)
    assert keystead.cli("fleet", "holders", "import", str(file))["unchanged"] == 2
    rows = {row["id"]: row for row in sheet(keystead, "fleet", "keys", "--csv")}
    assert rows[key_id]["person"] == "Bo"
    hosts = sheet(keystead, "fleet", "hosts", "--csv")
    assert {row["person"] for row in hosts} == {"Anna Berg", "Bo"}
    assert {row["release"][:2] for row in hosts} == {"'="}


def test_holders_come_from_a_sheet_and_alarms_come_and_go(
    keystead: KeysteadProcess, tmp_path: Path
) -> None:
    file = tmp_path / "holders.csv"
    import_holders(keystead, file)
    anna = Laptop(keystead, tmp_path / "anna", "laptop-17")
    bo = Laptop(keystead, tmp_path / "bo", "laptop-18")
    for name, person in (("laptop-17", "Anna Berg"), (bo.identity.host, "Bo")):
        said = keystead.cli("fleet", "host", "assign", name, "--person", person)
        assert said["person"] == person
    anna.report(SHARED)
    bo.report(SHARED, LOST)
    (shared,) = keys(keystead, "--rule", "shared")
    assert shared["holder"]["person"] == "Anna Berg"
    assert [one["person"] for one in shared["seen"]].count("Bo") == 1
    (lost,) = keys(keystead, "--rule", "lost-key-seen", "--level", "danger")
    shown = keystead.run("fleet", "key", lost["id"])
    assert "Bo, lost since" in shown.out
    assert "A host saw the key after it was called lost" in shown.out

    listed = keystead.cli("fleet", "holders", "list", "--serial", str(AHEAD))["holders"]
    assert [(one["person"], one["last_seen"]) for one in listed] == [("Bo", None)]

    # Bo's word that the key is his: a claim, which changes nothing until somebody accepts it.
    claimed = bo.agent.command("claim", str(SHARED), "--person", "Bo", "--kind", "primary")
    assert claimed.returncode == 0, claimed.stderr
    bo.report(SHARED)
    (claim,) = keystead.cli("fleet", "holders", "claims")["claims"]
    assert (claim["key"], claim["person"], claim["trust"]) == (shared["id"], "Bo", "host-signed")
    refused = keystead.run("fleet", "holders", "accept", str(SHARED), "--person", "Mallory")
    assert refused.code == 1
    assert "names Bo now" in refused.err
    taken = keystead.cli(
        "fleet", "holders", "accept", str(SHARED), "--person", "bo", "--reason", "x"
    )
    assert (taken["person"], taken["claims"]) == ("Bo", [])
    assert keys(keystead, "--rule", "shared") == []
    keystead.cli("fleet", "holders", "set", str(LOST), "--person", "Bo", "--kind", "spare")
    assert keys(keystead, "--rule", "lost-key-seen") == []
    assert bo.agent.command("claim", "5", "--person", "Bo", "--kind", "spare").returncode == 0
    bo.report()
    dismissed = keystead.cli("fleet", "holders", "dismiss", "5")
    assert (dismissed["person"], dismissed["kind"]) == ("Bo", "spare")
    removed = keystead.cli("fleet", "holders", "remove", str(AHEAD))
    assert removed["key"] == listed[0]["key"]

    read_sheets(keystead, file, shared["id"])
    gone = keystead.cli("fleet", "holders", "erase", "BO", "--reason", "left")
    assert gone == {"holders": 2, "hosts": 1, "claims": 0}
    everything = [keystead.cli("fleet", what) for what in ("keys", "hosts")]
    assert '"Bo"' not in json.dumps(everything)
    journal = json.dumps(keystead.cli("journal", "list"))
    assert "Anna" not in journal
    assert '"Bo"' not in journal
