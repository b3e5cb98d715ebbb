"""A backup under load, everything killed, a restore: no OTP that got OK gets OK again.

The controls show that this can fail: without journals the fence refuses, and without the fence
the harness sees an OTP accepted twice.
"""

import asyncio
import os
import signal
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from server.backup.recipients import create_identity
from tests.keystead_process import KeysteadProcess
from tests.postgres_server import PostgresServer
from tests.system.crowd import HANDS, Crowd
from tests.system.relying_party import RelyingParty
from tests.system.wire import Wire
from tests.system.yubikeys import YubiKey, known_keys
from validation.status import Status

ROUNDS = int(os.environ.get("KEYSTEAD_RESTORE_ROUNDS", "2"))
BEFORE, AFTER = 40, 60
"""OTPs accepted before the backup is begun, and at least until everything is killed."""


class Site:
    """What outlives a data directory: identity, journals, backups, a database server."""

    def __init__(self, folder: Path, postgres: PostgresServer | None) -> None:
        self.folder = folder
        self.journals = folder / "journals"
        self.identity = folder / "identity"
        self._postgres = postgres
        self._number = 0
        self.database: str | None = None
        self.recipient = create_identity(self.identity)

    def first(self) -> KeysteadProcess:
        """Make the first installation."""
        keystead = self._here()
        keystead.init()
        keystead.configure(f'[backup]\ncounter_journal = "{self.journals}"\n')
        self._new_database()
        return keystead

    def restored(
        self, lost: KeysteadProcess, backup: Path, *journals: Path
    ) -> tuple[KeysteadProcess, dict[str, Any]]:
        """Restore a backup into an empty directory, and say what the command said."""
        self._number += 1
        keystead = self._here()
        self._new_database()
        arguments = [str(backup), "--identity", str(self.identity)]
        arguments += ["--key-file", str(lost.directory / "secrets/hsm.key")]
        for journal in journals:
            arguments += ["--counter-journal", str(journal)]
        if self.database is not None:
            arguments += ["--database", self.database]
        return keystead, keystead.cli("restore", *arguments)

    def back_up(self, keystead: KeysteadProcess, name: str) -> Path:
        """Make a backup of a service, which may be under load."""
        file = self.folder / name
        options = [] if self.database is None else ["--database", self.database]
        keystead.cli("backup", str(file), "--recipient", self.recipient, *options)
        return file

    def _here(self) -> KeysteadProcess:
        return KeysteadProcess(self.folder / f"var{self._number}")

    def _new_database(self) -> None:
        if self._postgres is not None:
            self.database = self._postgres.new_database()


class Lost(NamedTuple):
    """A service that was killed under load. after: OTPs it accepted after the backup."""

    keystead: KeysteadProcess
    backup: Path
    accepted: Sequence[str]
    after: Sequence[str]


async def lose(
    site: Site, keystead: KeysteadProcess, party: RelyingParty, keys: Sequence[YubiKey], name: str
) -> Lost:
    """Load a running service, back it up meanwhile, and kill all of it at once."""
    assert keystead.ready is not None
    crowd = Crowd(keystead.ready.verify_url, party, keys)
    async with asyncio.TaskGroup() as group:
        group.create_task(crowd.ask())
        await crowd.has_accepted(BEFORE)
        backup = await asyncio.to_thread(site.back_up, keystead, name)
        count = len(crowd.accepted)
        crowd._enough.clear()
        await crowd.has_accepted(count + AFTER)
        pids = [keystead.pid, *keystead.worker_pids().values()]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        crowd.stop()
    keystead.wait()
    keystead.wait_until(lambda: not any(Path(f"/proc/{pid}/status").exists() for pid in pids))
    return Lost(keystead, backup, crowd.accepted, crowd.accepted[count:])


async def oks(url: str, party: RelyingParty, otps: Sequence[str]) -> list[Status]:
    """Ask about OTPs over several connections, newest first, and return the answers."""

    async def some(part: Sequence[str]) -> list[Status]:
        async with Wire(url) as wire:
            return [(await party.ask(wire, otp)).status for otp in part]

    newest_first = otps[::-1]
    parts = await asyncio.gather(*(some(newest_first[hand::HANDS]) for hand in range(HANDS)))
    return [status for part in parts for status in part]


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """Return an empty site on each engine."""
    postgres = None if request.param == "sqlite" else request.getfixturevalue("postgres")
    return Site(tmp_path, postgres)


async def test_after_a_restore_no_otp_that_got_ok_gets_ok_again(
    site: Site, tell: Callable[[str], None]
) -> None:
    asked = 0
    keystead = site.first()
    keystead.start(workers=2, database=site.database)
    party = RelyingParty.enrol(keystead, "crowd")
    *keys, probe = known_keys(keystead, HANDS + 1)
    for number in range(ROUNDS):
        with keystead:
            lost = await lose(site, keystead, party, keys, f"backup{number}")
        assert lost.after
        keystead, done = site.restored(lost.keystead, lost.backup, site.journals)
        assert (done["fenced"], done["problems"], done["unknown_count"]) == (False, {}, 0)
        ready = keystead.start(workers=2, database=site.database)
        answers = await oks(ready.verify_url, party, lost.accepted)
        assert set(answers) == {Status.REPLAYED_OTP}
        assert await oks(ready.verify_url, party, [probe.press()]) == [Status.OK]
        asked += len(answers)
    keystead.kill()
    tell(f"restores under load: {ROUNDS} rounds, {asked} OTPs asked again, 0 accepted")


async def test_without_journals_the_fence_refuses_and_without_the_fence_a_replay_shows(
    site: Site,
) -> None:
    keystead = site.first()
    with keystead:
        keystead.start(workers=2, database=site.database)
        party = RelyingParty.enrol(keystead, "crowd")
        keys = known_keys(keystead, HANDS)
        lost = await lose(site, keystead, party, keys, "backup")
    keystead, done = site.restored(lost.keystead, lost.backup)
    assert done["fenced"]
    with keystead:
        ready = keystead.start(workers=2, database=site.database)
        answers = await oks(ready.verify_url, party, lost.accepted)
        assert set(answers) == {Status.BACKEND_ERROR}
        assert keystead.get(f"{ready.ops_url}/readyz").code == 503
        assert keystead.metrics()["keystead_fenced"] == 1
        options = [] if site.database is None else ["--database", site.database]
        empty = site.folder / "empty"
        empty.mkdir()
        refused = keystead.run("fence", "replay", str(empty), "--json", *options)
        assert refused.code == 1
        assert set(refused.value["problems"].values()) == {"its counter journal is missing"}
        assert keystead.cli("fence", "status", *options)["fenced"]
        keystead.terminate()
        _tear_down_the_fence(site, keystead)
        ready = keystead.start(workers=2, database=site.database)
        answers = await oks(ready.verify_url, party, lost.after)
        assert Status.OK in answers, "the harness would not see a replay"


async def test_a_running_service_opens_its_keys_when_the_journals_were_replayed(
    site: Site,
) -> None:
    keystead = site.first()
    with keystead:
        keystead.start(workers=2, database=site.database)
        party = RelyingParty.enrol(keystead, "crowd")
        keys = known_keys(keystead, HANDS)
        lost = await lose(site, keystead, party, keys, "backup")
    keystead, _ = site.restored(lost.keystead, lost.backup)
    with keystead:
        ready = keystead.start(workers=2, database=site.database)
        options = [] if site.database is None else ["--database", site.database]
        done = keystead.cli("fence", "replay", str(site.journals), *options)
        assert not done["stands"]
        async with Wire(ready.verify_url) as wire:
            assert await party.decide(wire, keys[0].press()) is Status.OK
            assert await party.decide(wire, lost.after[-1]) is Status.REPLAYED_OTP
        assert keystead.get(f"{ready.ops_url}/readyz").code == 200


def _tear_down_the_fence(site: Site, keystead: KeysteadProcess) -> None:
    """Remove the fence behind the product's back: a control, nothing an operator has."""
    removal = "DELETE FROM meta WHERE name = 'fence'"
    if site._postgres is not None and site.database is not None:
        site._postgres.execute(removal, database=site.database.rpartition("/")[2])
        return
    with closing(sqlite3.connect(keystead.directory / "keystead.db")) as connection, connection:
        connection.execute(removal)
