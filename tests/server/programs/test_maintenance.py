"""Maintenance over real processes: typed, public within seconds, counted in its phase, kept."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.keystead_process import KeysteadProcess
from tests.server.maintenance.test_feed import read
from tests.system.yubikeys import YubiKey, known_keys

CALENDAR = "/status/maintenance.ics"


class Service:
    """A service with one client and one key."""

    def __init__(self, keystead: KeysteadProcess, workers: int, database: str | None) -> None:
        self.keystead = keystead
        keystead.init(*([] if database is None else ["--database", database]))
        if database is not None:
            keystead.configure(f'[store]\ndatabase = "{database}"\n')
        keystead.start(workers=workers)
        self.client: int = keystead.cli("client", "add", "somebody")["id"]
        self.key: YubiKey = known_keys(keystead, 1)[0]

    def counted(self, outcome: str, phase: str) -> float:
        name = f'keystead_verify_total{{outcome="{outcome}",phase="{phase}"}}'
        return self.keystead.metrics()[name]

    def calendar(self) -> list[dict[str, str]]:
        assert self.keystead.ready is not None
        answer = self.keystead.get(urljoin(self.keystead.ready.verify_url, CALENDAR))
        assert answer.code == 200
        return read(answer.text.encode())

    def use(self) -> None:
        assert self.keystead.verify(self.client, self.key.press()).status == "OK"


@pytest.fixture(params=["one process", "two workers", "two workers on PostgreSQL"])
def service(request: pytest.FixtureRequest, keystead: KeysteadProcess) -> Service:
    database = None
    if request.param.endswith("PostgreSQL"):
        database = request.getfixturevalue("postgres_server").new_database()
    return Service(keystead, 1 if request.param == "one process" else 2, database)


def at(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0).isoformat()


def test_requests_count_in_the_phase_of_their_window(service: Service) -> None:
    keystead = service.keystead
    service.use()
    assert keystead.verify(4711, service.key.press()).status == "NO_SUCH_CLIENT"
    assert service.counted("good", "service") == 2
    words = ["maintenance", "schedule", "a test", "--start", at(8), "--end", at(3600)]
    made = keystead.cli(*words, "--reason", "to see it")
    assert made["condition"] == "scheduled"

    def in_maintenance() -> bool:
        # Of nobody, so over nobody's limit, and a correct answer.
        keystead.verify(4711, "c" * 44)
        return service.counted("good", "maintenance") > 0

    keystead.wait_until(in_maintenance)
    begun = keystead.cli("maintenance", "begin", str(made["id"]))
    assert begun["condition"] == "in-progress"
    assert [event["SUMMARY"] for event in service.calendar()] == ["Validation: a test"]
    (entry, *_) = keystead.cli("journal", "list", "--about", "maintenance:1")["entries"]
    assert (entry["action"], entry["reason"]) == ("maintenance.schedule", "to see it")


def test_the_calendar_is_public_within_seconds_and_says_what_was_called_off(
    service: Service,
) -> None:
    keystead = service.keystead
    keystead.cli("maintenance", "schedule", "one", "--start", at(3600), "--end", at(7200))
    draft = ["--component", "upload", "--draft"]
    keystead.cli("maintenance", "schedule", "two", *draft, "--start", at(3600), "--end", at(7200))

    def public() -> list[str]:
        return [event["STATUS"] for event in service.calendar()]

    keystead.wait_until(lambda: public() == ["CONFIRMED"])
    keystead.cli("maintenance", "cancel", "1")
    keystead.cli("maintenance", "announce", "2")
    keystead.wait_until(lambda: public() == ["CANCELLED", "CONFIRMED"])
    assert keystead.run("maintenance", "calendar").out.count("BEGIN:VEVENT") == 2


def test_what_is_refused_says_why(keystead: KeysteadProcess) -> None:
    keystead.init()
    schedule = ["maintenance", "schedule", "t"]
    backwards = keystead.run(*schedule, "--start", at(7200), "--end", at(3600))
    assert (backwards.code, "is not after the start" in backwards.err) == (1, True)
    never = ["--start", "2027-03-28T02:30:00", "--end", "2027-03-28T04:00:00"]
    unreal = keystead.run(*schedule, *never, "--zone", "Europe/Stockholm")
    assert (unreal.code, "does not exist in Europe/Stockholm" in unreal.err) == (1, True)
    assert keystead.run("maintenance", "show", "1").code == 3
    assert keystead.run("maintenance", "change", "1").code == 2
    assert keystead.cli("maintenance", "list") == {"maintenance": []}


def test_histories_are_in_backups(keystead: KeysteadProcess, tmp_path: Path) -> None:
    keystead.init()
    keystead.cli("maintenance", "schedule", "one", "--start", at(3600), "--end", at(7200))
    changed = keystead.cli("maintenance", "change", "1", "--end", at(9000))
    home = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    keystead.environment |= home
    file = tmp_path / "backup.age"
    made = keystead.run("backup", "make", str(file), "--with-key-file")
    assert made.code == 0, made.err
    with KeysteadProcess(tmp_path / "restored", environment=home) as restored:
        done = restored.run("restore", str(file))
        assert done.code == 0, done.err
        assert restored.cli("maintenance", "show", "1") == changed
        listed = restored.run("maintenance", "list")
        assert "scheduled" in listed.out
        assert "one" in listed.out
