"""The agent as it runs: real processes, a real PC/SC daemon with virtual keys, a real server."""

import json
import random
import re
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from agent.report import KeyReport, Report, encode, parse, serial_hash
from agent.service import Service
from agent.store import FILE
from tests.agent.agent_process import AgentProcess
from tests.agent.fleet_server import SERIAL_KEY, FleetServer
from tests.agent.pcsc_helpers import attached, other_program, until
from tests.pcsc_daemon import PcscDaemon
from tests.virtual_yubikey.identity import yubikey_5_nfc, yubikey_5c_nfc
from tests.virtual_yubikey.yubikey import VirtualYubiKey

SERIAL = 31234567
ROUNDS = 3
"""Kills; the campaign of 100 is this with another number."""


@pytest.fixture
def server() -> Iterator[FleetServer]:
    with FleetServer() as started:
        started.tokens["a-token"] = "laptop"
        yield started


@pytest.fixture
def agent(tmp_path: Path, server: FleetServer) -> AgentProcess:
    found = AgentProcess(tmp_path / "agent")
    found.enrol(server.url, "a-token", "--host-name", "laptop")
    return found


@pytest.fixture
def running(agent: AgentProcess) -> Iterator[AgentProcess]:
    agent.start()
    yield agent
    assert agent.stop() == 0
    assert "Traceback" not in agent.log


def keys_of(reports: Sequence[Report]) -> list[KeyReport]:
    return [key for report in reports for key in report.keys]


def told_of(reports: Sequence[Report], serial: int) -> bool:
    return any(
        key.identity.serial_hash == serial_hash(SERIAL_KEY, serial) for key in keys_of(reports)
    )


def test_a_new_key_is_reported_soon_and_what_is_shown_is_what_is_sent(
    daemon: PcscDaemon, server: FleetServer, running: AgentProcess
) -> None:
    key = VirtualYubiKey(yubikey_5c_nfc(SERIAL))
    with attached(daemon, key):
        server.wait_for(lambda reports: told_of(reports, SERIAL))
    report = server.reports[-1]
    assert report.keys[0].facts["piv.pin.default"] is True
    assert report.keys[0].attached is None
    assert str(SERIAL) not in encode(report).decode()
    until(lambda: running.data("status", "--json")["waiting"] == 0)
    shown = running.data("show", "--json")
    (following,) = shown["next"]
    assert parse(json.dumps(following).encode()).keys == report.keys


def test_a_known_key_that_is_plugged_in_again_tells_nobody_when(
    daemon: PcscDaemon, server: FleetServer, running: AgentProcess
) -> None:
    first, second = (
        VirtualYubiKey(yubikey_5c_nfc(SERIAL)),
        VirtualYubiKey(yubikey_5_nfc(16234567)),
    )
    with attached(daemon, first):
        server.wait_for(lambda reports: told_of(reports, SERIAL))
    whole = len(first.traffic)
    with attached(daemon, first):
        until(lambda: len(first.traffic) == 2 * whole)
    # What is new is told; the other would have been told by then, in a report of its own.
    with attached(daemon, second, 1):
        server.wait_for(lambda reports: told_of(reports, 16234567))
    firsts = [one for one in server.reports if told_of([one], SERIAL)]
    assert len(firsts) <= 3  # for itself, for the second, and the one that every start makes
    assert running.pid


def test_a_daemon_that_is_restarted_blinds_nobody(
    daemon: PcscDaemon, server: FleetServer, running: AgentProcess
) -> None:
    until(lambda: "reporting to" in running.log)
    daemon.restart()
    daemon.stop()
    until(lambda: "no PC/SC service" in running.log)
    daemon.start()
    with attached(daemon, VirtualYubiKey(yubikey_5c_nfc(SERIAL))):
        server.wait_for(lambda reports: told_of(reports, SERIAL), 60)


def test_a_key_that_others_use_is_read_when_they_are_done(
    daemon: PcscDaemon, server: FleetServer, running: AgentProcess
) -> None:
    key = VirtualYubiKey(yubikey_5c_nfc(SERIAL))
    with attached(daemon, key) as reader:
        with other_program(reader) as program:
            program.ask("00a4040005a000000308")
            key.traffic.clear()
            time.sleep(2.5)  # longer than the agent waits after an insertion
            assert len(key.traffic) == 0
            assert program.ask("00fd000000") == (0, "0507049000")
        server.wait_for(lambda reports: told_of(reports, SERIAL))
    assert running.pid


def test_killed_at_any_moment_it_loses_no_report_and_none_counts_twice(
    daemon: PcscDaemon, server: FleetServer, agent: AgentProcess
) -> None:
    dice = random.Random(5)  # noqa: S311 - moments
    server.fault = lambda: dice.random() < 0.3
    key = VirtualYubiKey(yubikey_5c_nfc(SERIAL))
    for tries in range(ROUNDS):
        key.piv.state.pin.total = key.piv.state.pin.left = 3 + tries
        agent.start()
        with attached(daemon, key):
            time.sleep(dice.uniform(0.5, 3.5))
            agent.kill()
    server.fault = lambda: False
    agent.start()
    with attached(daemon, key):
        server.wait_for(
            lambda reports: any(
                one.facts["piv.pin.tries"] == 2 + ROUNDS for one in keys_of(reports)
            ),
            60,
        )
        until(lambda: agent.data("status", "--json")["waiting"] == 0)
    assert agent.stop() == 0
    status = agent.data("status", "--json")
    sequences = [one.sequence for one in server.reports]
    assert sequences == list(range(1, status["sequence"] + 1))
    assert status["dropped"] == status["refused"] == 0


def test_two_agents_do_not_work_in_one_directory(running: AgentProcess) -> None:
    until(lambda: "reporting to" in running.log)
    done = running.command("run")
    assert done.returncode == 1
    assert "another keystead-agent works" in done.stderr


def test_another_enrolment_takes_over_while_the_agent_runs(
    daemon: PcscDaemon, server: FleetServer, running: AgentProcess
) -> None:
    until(lambda: "reporting to" in running.log)
    server.tokens["token-2"] = "laptop"
    running.enrol(server.url, "token-2", "--host-name", "laptop")
    # A key wakes the agent, which else looks at its enrolment every ten seconds.
    with attached(daemon, VirtualYubiKey(yubikey_5c_nfc(SERIAL))):
        until(lambda: len(re.findall("reporting to", running.log)) > 1)
        server.wait_for(lambda reports: told_of(reports, SERIAL))
    host = running.data("status", "--json")["host"]
    assert [one.host for one in server.reports if told_of([one], SERIAL)] == [host]


def test_once_prints_the_report_without_an_enrolment(daemon: PcscDaemon, tmp_path: Path) -> None:
    agent = AgentProcess(tmp_path / "agent")
    with attached(daemon, VirtualYubiKey(yubikey_5c_nfc(SERIAL))):
        done = agent.command("once", "--json")
        told = agent.command("once")
    assert done.returncode == 0
    (key,) = parse(done.stdout.encode()).keys
    assert key.identity.serial == SERIAL
    assert key.facts["device.firmware"] == "5.7.4"
    assert f"YubiKey {SERIAL}" in told.stdout
    assert not (tmp_path / "agent").exists()


def test_once_sends_where_it_is_enrolled_and_asked_to(
    daemon: PcscDaemon, server: FleetServer, agent: AgentProcess
) -> None:
    with attached(daemon, VirtualYubiKey(yubikey_5c_nfc(SERIAL))):
        assert agent.command("once", "--send").returncode == 0
    assert told_of(server.reports, SERIAL)


def test_a_host_that_is_not_enrolled_looks_at_no_key(daemon: PcscDaemon, tmp_path: Path) -> None:
    agent = AgentProcess(tmp_path / "agent")
    key = VirtualYubiKey(yubikey_5c_nfc(SERIAL))
    agent.start()
    with attached(daemon, key):
        until(lambda: "not enrolled" in agent.log)
        time.sleep(1.5)
    assert len(key.traffic) == 0
    assert agent.stop() == 0
    assert "not enrolled" in agent.command("status").stdout


def test_an_agent_of_which_a_part_has_ended_ends_whole(
    daemon: PcscDaemon, agent: AgentProcess
) -> None:
    """Else it would watch keys and tell nobody, and look well."""
    assert daemon.pid
    identity = agent.directory / "identity.json"
    identity.write_text(identity.read_text().replace('"server": "http:', '"server": "ftp:'))
    agent.start()
    assert agent.end() == 1
    assert "sender failed: ServerUrlError" in agent.log
    assert "Traceback" not in agent.log


def test_a_store_that_cannot_be_used_at_the_start_is_waited_for(
    daemon: PcscDaemon,
    server: FleetServer,
    agent: AgentProcess,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("agent.service._STORE_AGAIN_S", 0.05)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)  # put back afterwards
    file = agent.directory / FILE
    file.write_bytes(b"no database" * 1000)
    service = Service(agent.directory)
    thread = threading.Thread(target=service.run, daemon=True)
    with caplog.at_level("INFO"):
        thread.start()
        until(lambda: caplog.text.count("not a database") > 2)
        assert "reporting to" not in caplog.text
        file.unlink()
        with attached(daemon, VirtualYubiKey(yubikey_5c_nfc(SERIAL))):
            server.wait_for(lambda reports: told_of(reports, SERIAL))
    service.stop()
    thread.join(20)
    assert not thread.is_alive()
