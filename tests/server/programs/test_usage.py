"""Usage over real processes: what was answered is shown, after any graceful end to the last one."""

import os
import signal

import pytest

from tests.keystead_process import KeysteadProcess
from tests.system.yubikeys import YubiKey, known_keys


class Service:
    """A service with one client and one key."""

    def __init__(self, keystead: KeysteadProcess, workers: int, database: str | None) -> None:
        self.keystead = keystead
        self._workers = workers
        keystead.init(*([] if database is None else ["--database", database]))
        if database is not None:
            keystead.configure(f'[store]\ndatabase = "{database}"\n')
        self.start()
        self.client: int = keystead.cli("client", "add", "somebody")["id"]
        self.key: YubiKey = known_keys(keystead, 1)[0]

    def start(self) -> None:
        self.keystead.start(workers=self._workers)

    def use(self, times: int) -> None:
        for _ in range(times):
            assert self.keystead.verify(self.client, self.key.press()).status == "OK"

    def usage(self, *arguments: str) -> dict[str, int]:
        kinds: dict[str, int] = self.keystead.cli("client", "usage", *arguments)["kinds"]
        return kinds

    def mine(self) -> int:
        return self.usage(str(self.client)).get("ok", 0)


@pytest.fixture(params=["one process", "two workers", "two workers on PostgreSQL"])
def service(request: pytest.FixtureRequest, keystead: KeysteadProcess) -> Service:
    database = None
    if request.param.endswith("PostgreSQL"):
        database = request.getfixturevalue("postgres_server").new_database()
    return Service(keystead, 1 if request.param == "one process" else 2, database)


def test_every_answer_is_in_the_store_when_the_service_has_ended(service: Service) -> None:
    service.use(7)
    assert service.keystead.verify(service.client, "c" * 44).status == "BAD_OTP"
    assert service.keystead.verify(4711, service.key.press()).status == "NO_SUCH_CLIENT"
    service.keystead.terminate()
    assert service.usage(str(service.client)) == {"ok": 7, "bad_otp": 1}
    assert service.usage() == {"ok": 7, "bad_otp": 1, "no_such_client": 1}
    service.start()
    service.use(5)
    service.keystead.terminate()
    shown = service.keystead.cli("client", "usage", str(service.client), "--step", "minute")
    assert shown["good"] == 13
    assert sum(step["good"] for step in shown["steps"]) == 13


def test_answers_show_while_the_service_runs(service: Service) -> None:
    service.use(6)
    service.keystead.wait_until(lambda: service.mine() == 6)
    ended = service.keystead.run("client", "usage", str(service.client))
    assert "good" in ended.out
    assert service.keystead.run("client", "usage", "999").code == 3


def test_kill_9_loses_only_what_was_answered_since_the_last_interval(service: Service) -> None:
    service.use(6)
    service.keystead.wait_until(lambda: service.mine() == 6)
    service.use(3)
    service.keystead.kill()
    service.start()
    assert 6 <= service.mine() <= 9
    before = service.mine()
    service.use(4)
    service.keystead.wait_until(lambda: service.mine() == before + 4)


def test_a_worker_that_is_relieved_leaves_its_counts(keystead: KeysteadProcess) -> None:
    service = Service(keystead, 2, None)
    service.use(8)
    before = keystead.worker_pids()
    assert keystead.process is not None
    os.kill(keystead.process.pid, signal.SIGHUP)
    keystead.wait_until(lambda: not set(before.values()) & set(keystead.worker_pids().values()))
    service.use(8)
    keystead.terminate()
    assert service.mine() == 16


def test_nothing_is_counted_when_it_is_switched_off(keystead: KeysteadProcess) -> None:
    keystead.init()
    keystead.configure("[usage]\ncount = false\n")
    keystead.start()
    client = keystead.cli("client", "add", "somebody")["id"]
    (key,) = known_keys(keystead, 1)
    assert keystead.verify(client, key.press()).status == "OK"
    keystead.terminate()
    assert keystead.cli("client", "usage")["kinds"] == {}
