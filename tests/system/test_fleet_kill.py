"""kill -9 of agent and server at random moments: no report is lost, and none is counted twice."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.agent_process import AgentProcess
from tests.keystead_process import KeysteadProcess
from tests.pcsc_daemon import USB_READER, PcscDaemon
from tests.system.fleet_ledgers import ledger_of_agent, ledger_of_server
from tests.virtual_yubikey.identity import yubikey_5c_nfc
from tests.virtual_yubikey.yubikey import VirtualYubiKey

pytestmark = pytest.mark.alone

# A proof is a hundred rounds; every run of the tests has some (KEYSTEAD_ROUNDS=100).
ROUNDS = int(os.environ.get("KEYSTEAD_ROUNDS", "3"))
POLICY = '[fleet]\nserial = "plain"\ninterval_seconds = 60\n'
LONGEST_S = 4.5
"""From a start until a report of a new fact has been taken, and a little more."""


@pytest.fixture
def daemon() -> Iterator[PcscDaemon]:
    with PcscDaemon([USB_READER]) as started:
        yield started


class Campaign:
    """Rounds: something new is to be told, and whoever tells or hears it is killed meanwhile."""

    def __init__(self, keystead: KeysteadProcess, agent: AgentProcess, daemon: PcscDaemon) -> None:
        self._keystead = keystead
        self._agent = agent
        self._daemon = daemon
        self._key = VirtualYubiKey(yubikey_5c_nfc(31234567))
        self._dice = random.SystemRandom()
        self.counted = ledger_of_server(keystead.directory)
        self._options: dict[str, Any] = {"options": ["--fleet-listen", "127.0.0.1:0"]}
        ready = keystead.start(**self._options)
        self._options["options"] = ["--fleet-listen", ready.fleet_url.removeprefix("http://")]
        token = keystead.cli("fleet", "token", "create", "--host", "laptop")["token"]
        agent.enrol(ready.fleet_url, token, "--host-name", "laptop")
        self.made = ledger_of_agent(agent.directory)
        self.struck: Counter[str] = Counter()
        self.again = 0

    def run(self, rounds: int) -> None:
        """Kill so many times, the agent in each round and the server in half of them."""
        for number in range(rounds):
            self._key.piv.state.pin.total = self._key.piv.state.pin.left = 3 + number % 200
            self._agent.start()
            with self._daemon.insert(self._key):
                for victim in self._dice.choice((["agent"], ["server", "agent"])):
                    self._wait_for_a_moment()
                    self._strike(victim)

    def finish(self) -> None:
        """Let both run until nothing waits."""
        self._agent.start()
        with self._daemon.insert(self._key):
            self._keystead.wait_until(
                lambda: (
                    len(self.made.read()) > 0 and self.made.read()[-1:] == self.counted.read()[-1:]
                ),
                within_s=120,
            )
            assert self._agent.stop() == 0
        self.again += self._sent_again()

    def _wait_for_a_moment(self) -> None:
        """Any; or the moment in which a report was stored, and is sent and taken."""
        if self._dice.random() < 0.5:
            time.sleep(self._dice.uniform(0.0, LONGEST_S))
            return
        made = len(self.made.read())
        until = time.monotonic() + LONGEST_S
        while len(self.made.read()) == made and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(self._dice.uniform(0.0, 0.04))

    def _strike(self, victim: str) -> None:
        self.struck[victim] += 1
        if victim == "agent":
            self._agent.kill()
            return
        self.again += self._sent_again()
        os.kill(self._keystead.pid, signal.SIGKILL)
        self._keystead.wait()
        self._keystead.start(**self._options)

    def _sent_again(self) -> int:
        counted = self._keystead.metrics()
        return int(counted.get('keystead_fleet_requests_total{outcome="again"}', 0))


def test_reports_are_counted_once_whoever_is_killed(
    tmp_path: Path, daemon: PcscDaemon, tell: Callable[[str], None]
) -> None:
    agent = AgentProcess(tmp_path / "agent")
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        keystead.configure(POLICY)
        campaign = Campaign(keystead, agent, daemon)
        campaign.run(ROUNDS)
        campaign.finish()
        (host,) = keystead.cli("fleet", "hosts")["hosts"]
    made, counted = campaign.made.read(), campaign.counted.read()
    assert counted == made
    assert [one.sequence for one in made] == list(range(1, len(made) + 1))
    assert len({one.report_id for one in made}) == len(made)
    assert (host["missing"], host["clashes"], host["dropped"]) == (0, 0, 0)
    status = agent.data("status", "--json")
    assert (status["waiting"], status["dropped"], status["refused"]) == (0, 0, 0)
    assert status["sequence"] == len(made)
    assert "Traceback" not in agent.log
    tell(
        f"kill -9 of agent and server: {dict(campaign.struck)} in {ROUNDS} rounds,"
        f" {len(made)} reports made and each counted once, at least {campaign.again} sent again"
    )
