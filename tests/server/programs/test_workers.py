"""Several workers: who dies, what happens then, and that the numbers stay right."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.programs.supervisor import LONGEST_DELAY_S, replacement_delay_s
from tests.keystead_process import KeysteadProcess
from tests.postgres_server import PostgresServer
from tests.system.yubikeys import YubiKey, known_keys


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process that has ended stays in the table until it is reaped: by init, or a test's shell.
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_first_death_is_mended_at_once_and_repeated_ones_ever_later() -> None:
    delays = [replacement_delay_s(deaths) for deaths in range(1, 12)]
    assert delays[0] == 0
    assert delays == sorted(delays)
    assert delays[-1] == LONGEST_DELAY_S
    assert replacement_delay_s(10_000) == LONGEST_DELAY_S


def enrol(keystead: KeysteadProcess) -> tuple[int, YubiKey]:
    """Return a new Client ID and a key that the running service knows."""
    client_id: int = keystead.cli("client", "add", "somebody")["id"]
    (key,) = known_keys(keystead, 1)
    return client_id, key


def use(keystead: KeysteadProcess, client_id: int, key: YubiKey, times: int) -> None:
    """Validate so often that every worker is asked (each time on a new connection)."""
    for _ in range(times):
        assert keystead.verify(client_id, key.press()).status == "OK"


def test_two_workers_share_a_port_and_one_store(keystead: KeysteadProcess) -> None:
    keystead.init()
    ready = keystead.start(workers=2)
    client_id, key = enrol(keystead)
    assert ready.workers == 2
    assert ready.store == "sqlite"
    first = keystead.worker_pids()
    assert set(first) == {0, 1}
    otp = key.press()
    statuses = [keystead.verify(client_id, otp).status for _ in range(8)]
    assert statuses == ["OK"] + ["REPLAYED_OTP"] * 7
    assert keystead.responses("OK") == 1
    assert keystead.responses("REPLAYED_OTP") == 7

    # A worker is killed: it is replaced, its counts stay, and its socket's queue is served.
    os.kill(first[0], signal.SIGKILL)
    keystead.wait_until(lambda: keystead.worker_pids()[0] != first[0])
    use(keystead, client_id, key, 12)
    assert keystead.responses("OK") == 13
    assert keystead.responses("REPLAYED_OTP") == 7
    assert keystead.metrics()["keystead_worker_restarts"] == 1
    assert keystead.metrics()["keystead_workers_ready"] == 2
    died = [line for line in keystead.logs() if line["event"] == "worker_died"]
    assert [(line["slot"], line["level"]) for line in died] == [(0, "error")]
    assert "SIGKILL" in died[0]["how"]

    # Changes hold in every worker at once.
    keystead.cli("client", "disable", str(client_id))
    refused = {keystead.verify(client_id, key.press()).status for _ in range(12)}
    assert refused == {"OPERATION_NOT_ALLOWED"}
    keystead.cli("client", "enable", str(client_id))
    use(keystead, client_id, key, 12)

    # The control process is killed: its workers end by themselves, a successor starts.
    workers = keystead.worker_pids().values()
    keystead.kill()
    keystead.wait_until(lambda: not any(map(is_running, workers)))
    address = ready.verify_url.split("/")[2]
    keystead.start(workers=2, listen=address)
    assert keystead.verify(client_id, otp).status == "REPLAYED_OTP"
    use(keystead, client_id, key, 12)
    workers = keystead.worker_pids().values()
    assert keystead.terminate() == 0
    assert not any(map(is_running, workers))


def test_a_worker_told_to_end_is_replaced(keystead: KeysteadProcess) -> None:
    keystead.init()
    keystead.start(workers=2)
    client_id, key = enrol(keystead)
    first = keystead.worker_pids()
    os.kill(first[1], signal.SIGTERM)
    os.kill(first[0], signal.SIGINT)  # Ctrl-C is for the control process alone
    keystead.wait_until(lambda: keystead.worker_pids()[1] != first[1])
    use(keystead, client_id, key, 12)
    assert keystead.worker_pids()[0] == first[0]
    assert is_running(first[0])


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


def test_two_workers_on_postgresql(keystead: KeysteadProcess, postgres: PostgresServer) -> None:
    url = postgres.new_database()
    keystead.init("--database", url)
    ready = keystead.start(workers=2)  # the URL is in the configuration now
    assert ready.store == "postgresql"
    client_id, key = enrol(keystead)
    otp = key.press()
    statuses = [keystead.verify(client_id, otp).status for _ in range(6)]
    assert statuses == ["OK"] + ["REPLAYED_OTP"] * 5
    assert keystead.responses("OK") == 1
    workers = keystead.worker_pids()
    os.kill(workers[0], signal.SIGKILL)
    keystead.wait_until(lambda: keystead.worker_pids()[0] != workers[0])
    use(keystead, client_id, key, 12)
    assert keystead.responses("OK") == 13
    findings = {each["check"]: each for each in keystead.cli("doctor")}
    assert findings["durability"]["grade"] == "ok"
    assert "one was opened" in findings["stored records"]["found"]
    orphans = keystead.worker_pids().values()
    keystead.kill()
    keystead.wait_until(lambda: not any(map(is_running, orphans)))
    keystead.start(workers=1)
    assert keystead.verify(client_id, otp).status == "REPLAYED_OTP"
    assert keystead.terminate() == 0


def test_an_empty_postgresql_database_gets_its_schema(
    keystead: KeysteadProcess, postgres: PostgresServer
) -> None:
    keystead.init()
    keystead.start(database=postgres.new_database())
    assert keystead.cli("client", "add", "first")["id"] == 1
    assert keystead.terminate() == 0


def test_where_laptops_report_one_worker_is_another_process_and_can_be_relieved(
    keystead: KeysteadProcess, postgres: PostgresServer
) -> None:
    keystead.init("--database", postgres.new_database())
    ready = keystead.start(workers=1, options=["--fleet-listen", "127.0.0.1:0"])
    assert ready.workers == 1
    client_id, key = enrol(keystead)
    otp = key.press()
    assert keystead.verify(client_id, otp).status == "OK"
    first = keystead.worker_pids()[0]
    os.kill(keystead.pid, signal.SIGHUP)
    keystead.wait_until(lambda: any(line["event"] == "reloaded" for line in keystead.logs()))
    second = keystead.worker_pids()[0]
    assert len({keystead.pid, first, second}) == 3
    assert keystead.verify(client_id, otp).status == "REPLAYED_OTP"
    assert keystead.terminate() == 0
