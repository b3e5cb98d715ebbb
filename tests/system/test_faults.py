"""What the store stands on fails: BACKEND_ERROR, a clear log line, and recovery by itself."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

from tests.keystead_process import KeysteadProcess
from tests.postgres_server import PostgresServer
from tests.server.moving_files import ReferenceKey, key_file
from tests.system.relying_party import RelyingParty
from tests.system.small_disk import small_disk
from tests.system.wire import Wire
from tests.system.yubikeys import known_keys
from validation.status import Status

RECOVERY_WITHIN_S = 10.0
ASKED_AT_MOST = 3_000

RECIPIENT = "age1dml60s7qgyspyvveq5tyzkhzhzp9qej8feq4zsfxzxx0qdt4cgusf9cvsf"
"""Somebody's; nobody opens what is encrypted here."""


class Visitor:
    """Asks one service about one key and keeps what was not decided."""

    def __init__(self, keystead: KeysteadProcess) -> None:
        assert keystead.ready is not None
        self._url = keystead.ready.verify_url
        self.party = RelyingParty.enrol(keystead, "visitor")
        (self.key,) = known_keys(keystead, 1)
        self.accepted: list[str] = []
        self.undecided: list[str] = []

    async def ask(self) -> Status:
        """Ask about a fresh OTP."""
        otp = self.key.press()
        async with Wire(self._url) as wire:
            status = (await self.party.ask(wire, otp)).status
        (self.accepted if status is Status.OK else self.undecided).append(otp)
        assert status in {Status.OK, Status.BACKEND_ERROR}
        return status

    async def ask_until(self, wanted: Status) -> None:
        """Ask until the service has noticed that something broke, or was mended."""
        async with asyncio.timeout(3 * RECOVERY_WITHIN_S):
            for _ in range(ASKED_AT_MOST):
                if await self.ask() is wanted:
                    return
                await asyncio.sleep(0.005)
        raise AssertionError(f"never {wanted}")

    async def assert_nothing_gets_in_twice(self) -> None:
        """Ask about everything again, newest first; an undecided OTP may get in once."""
        async with Wire(self._url) as wire:
            for otp in (*reversed(self.accepted), *reversed(self.undecided)):
                again = [await self.party.decide(wire, otp) for _ in range(2)]
                assert again[1] in {Status.REPLAYED_OTP, Status.REPLAYED_REQUEST}
                assert again[0] is not Status.OK or otp in self.undecided


def names_in(folder: Path) -> set[str]:
    """Return what lies in a folder."""
    return {path.name for path in folder.iterdir()}


def errors(keystead: KeysteadProcess) -> str:
    """Return the events of the log's error and critical lines."""
    return "\n".join(
        str(line) for line in keystead.logs() if line.get("level") in {"error", "critical"}
    )


async def test_a_full_disk_is_a_backend_error_until_there_is_room(tmp_path: Path) -> None:
    data = tmp_path / "var"
    with small_disk(data) as disk, KeysteadProcess(data) as keystead:
        keystead.init()
        keystead.start(workers=2)
        visitor = Visitor(keystead)
        assert await visitor.ask() is Status.OK
        for _ in range(3):
            disk.fill()
            await visitor.ask_until(Status.BACKEND_ERROR)
            assert "full" in errors(keystead)
            disk.make_room()
            await visitor.ask_until(Status.OK)
        await visitor.assert_nothing_gets_in_twice()


async def test_a_database_file_locked_by_another_program_is_a_backend_error_until_it_lets_go(
    tmp_path: Path,
) -> None:
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        keystead.start(workers=2)
        visitor = Visitor(keystead)
        assert await visitor.ask() is Status.OK
        database = keystead.directory / "keystead.db"
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await visitor.ask_until(Status.BACKEND_ERROR)
            assert "lock" in errors(keystead)
            other.execute("ROLLBACK")
        await visitor.ask_until(Status.OK)
        await visitor.assert_nothing_gets_in_twice()


async def test_a_stopped_postgresql_is_a_backend_error_until_it_runs_again(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        keystead.start(workers=2, database=postgres.new_database())
        visitor = Visitor(keystead)
        assert await visitor.ask() is Status.OK
        postgres.stop()
        try:
            await visitor.ask_until(Status.BACKEND_ERROR)
            assert keystead.ready is not None
            assert keystead.get(f"{keystead.ready.ops_url}/healthz").code == 200
            assert keystead.get(f"{keystead.ready.ops_url}/readyz").code == 503
            assert "PostgreSQL" in errors(keystead)
        finally:
            postgres.start()
        await visitor.ask_until(Status.OK)
        await visitor.assert_nothing_gets_in_twice()
        assert keystead.get(f"{keystead.ready.ops_url}/readyz").code == 200


async def test_a_full_journal_disk_is_a_backend_error_until_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        keystead.configure(f'[backup]\ncounter_journal = "{disk.folder / "journals"}"\n')
        keystead.start(workers=2)
        visitor = Visitor(keystead)
        await visitor.ask_until(Status.OK)
        disk.fill()
        await visitor.ask_until(Status.BACKEND_ERROR)
        assert "counter_journal_failed" in errors(keystead)
        backup = str(disk.folder / "backup")
        refused = keystead.run("backup", backup, "--recipient", RECIPIENT)
        assert refused.code == 1
        assert names_in(disk.folder) == {"filler", "journals"}
        disk.make_room()
        await visitor.ask_until(Status.OK)
        await visitor.assert_nothing_gets_in_twice()


def test_an_import_that_fills_the_disk_is_rolled_back_and_nobody_notices(tmp_path: Path) -> None:
    keys = [ReferenceKey() for _ in range(60_000)]
    file = tmp_path / "keys.csv"
    file.write_text(key_file(keys))
    with (
        small_disk(tmp_path / "disk") as disk,
        KeysteadProcess(disk.folder / "var") as keystead,
    ):
        keystead.log_file = tmp_path / "log"
        keystead.out_file = tmp_path / "out"
        keystead.init("--sandbox")
        keystead.start()
        ended = keystead.run("import", "--keys", str(file))
        assert ended.code == 1
        assert "nothing was imported" in ended.err
        assert "Traceback" not in ended.err + keystead.log_text()
        assert not list((keystead.directory / "imports").iterdir())
        assert len(keystead.cli("key", "list")["keys"]) == 1
        assert keystead.verify(keystead.sandbox["id"], keystead.otp()).status == "OK"
        file.write_text(key_file(keys[:100]))
        assert keystead.cli("import", "--keys", str(file))["imported"]
