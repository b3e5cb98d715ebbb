"""`keystead store move`: everything, compared, once, and never a way back by accident."""

import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from server.storage.identity import DATA_KEYS
from tests.keystead_process import KeysteadProcess
from tests.postgres_server import PostgresServer
from tests.server.moving_files import ReferenceClient, ReferenceKey, counter_file, key_file
from tests.system.yubikeys import known_keys

_HOLD = """
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql
    AS $$BEGIN PERFORM pg_sleep(600); RETURN NULL; END$$;
CREATE TRIGGER hold BEFORE INSERT ON otp_key FOR EACH STATEMENT EXECUTE FUNCTION hold();
"""
"""A database where the keys' counters are never through."""

_LET_GO = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid();
DROP TRIGGER hold ON otp_key;
DROP FUNCTION hold;
"""


_HOLD_THE_END = """
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql
    AS $$BEGIN PERFORM pg_sleep(600); RETURN OLD; END$$;
CREATE TRIGGER hold BEFORE DELETE ON meta FOR EACH ROW
    WHEN (OLD.name = 'move-under-way') EXECUTE FUNCTION hold();
"""
"""A database that is never told that a move has come to its end."""

_LET_GO_THE_END = _LET_GO.replace("otp_key", "meta")


def data_keys_of_sqlite(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        (text,) = connection.execute(
            "SELECT value FROM meta WHERE name = ?", (DATA_KEYS,)
        ).fetchone()
    return str(text)


class Estate:
    """A store with keys that count, a client, and counters that wait for their key."""

    def __init__(self, keystead: KeysteadProcess, directory: Path) -> None:
        self.keystead = keystead
        self.keys = [ReferenceKey() for _ in range(3_000)]
        self.waiting = ReferenceKey()
        self.client = ReferenceClient.new(41)
        keystead.init("--sandbox")
        paths = {
            "keys": key_file(self.keys),
            "counters": counter_file([*self.keys, self.waiting]),
            "clients": self.client.line,
        }
        options: list[str] = []
        for name, text in paths.items():
            path = directory / f"{name}.csv"
            path.write_text(text)
            options += [f"--{name}", str(path)]
        keystead.cli("import", *options)
        keystead.cli("key", "disable", self.keys[7].public_id)


@pytest.fixture
def estate(keystead: KeysteadProcess, tmp_path: Path) -> Estate:
    return Estate(keystead, tmp_path)


@pytest.fixture
def target(postgres_server: PostgresServer) -> str:
    return postgres_server.new_database()


def test_a_moved_store_goes_on_where_it_was_and_the_old_one_is_refused(
    estate: Estate, target: str
) -> None:
    keystead = estate.keystead
    keystead.start()
    assert keystead.verify(41, estate.keys[9].next_otp()).status == "OK"
    keystead.terminate()
    exported = [keystead.directory.parent / f"{at}.csv" for at in range(2)]
    keystead.cli("export", "--counters", str(exported[0]))
    moved = keystead.cli("store", "move", "--to", target)
    assert moved["rows"]["otp_key"] == 3_001
    assert moved["rows"]["kept_counter"] == 1
    assert moved["rows"]["usage_minute"] == moved["rows"]["usage_sender"] == 1
    for command in (["serve"], ["client", "list"], ["key", "list"]):
        refused = keystead.run(*command)
        assert refused.code == 1
        assert "was moved to" in refused.err
    keystead.configure(f'[store]\ndatabase = "{target}"\n')
    keystead.start()
    key, client = estate.keys[30], estate.client.client_id
    assert keystead.verify(client, key.last_otp()).status == "REPLAYED_OTP"
    assert keystead.verify(client, key.next_otp()).status == "OK"
    assert keystead.verify(client, estate.keys[7].next_otp()).status == "BAD_OTP"
    assert keystead.verify(keystead.sandbox["id"], keystead.otp()).status == "OK"
    assert keystead.cli("client", "add", "next")["id"] > client
    keystead.terminate()
    keystead.configure(f'[store]\ndatabase = "{target}"\n')
    keystead.cli("export", "--counters", str(exported[1]))
    before, after = (set(path.read_text().splitlines()) for path in exported)
    assert keystead.cli("client", "usage", "41")["kinds"] == {
        "ok": 2,
        "replayed_otp": 1,
        "bad_otp": 1,
    }
    assert len(before - after) == 2, "the two keys that were used since"


def test_data_keys_move_with_the_store(keystead: KeysteadProcess, target: str) -> None:
    """After a rotation: those that were destroyed are known for that, the others open."""
    keystead.init()
    (key,) = known_keys(keystead, 1)
    party = keystead.cli("client", "add", "mail")["id"]
    keystead.cli("vault", "rotate", "--reason", "a test")
    before = keystead.cli("vault", "status")["keys"]
    wrapped = data_keys_of_sqlite(keystead.directory / "keystead.db")
    assert {"active", "destroyed"} == {one["state"] for one in json.loads(wrapped)["keys"]}
    keystead.cli("store", "move", "--to", target)
    keystead.configure(f'[store]\ndatabase = "{target}"\n')
    keystead.start()
    assert keystead.cli("vault", "status")["keys"] == before
    assert keystead.verify(party, key.press()).status == "OK"
    # They seal, too, and are rotated as before.
    keystead.cli("vault", "rotate", "--reason", "a test")
    assert keystead.verify(party, key.press()).status == "OK"


def test_a_store_that_is_being_served_is_not_moved(estate: Estate, target: str) -> None:
    estate.keystead.start()
    refused = estate.keystead.run("store", "move", "--to", target)
    assert refused.code == 1
    assert "in use" in refused.err
    assert estate.keystead.verify(41, estate.keys[0].next_otp()).status == "OK"


def test_a_database_with_something_in_it_is_left_alone(
    estate: Estate, target: str, tmp_path: Path
) -> None:
    with KeysteadProcess(tmp_path / "other") as other:
        other.init("--sandbox", "--database", target)
        refused = estate.keystead.run("store", "move", "--to", target)
        assert refused.code == 1
        assert "not empty" in refused.err
        assert len(other.cli("key", "list")["keys"]) == 1
    assert estate.keystead.run("client", "list").code == 0, "the source is as it was"


def test_a_move_that_was_killed_is_begun_anew(
    estate: Estate, target: str, postgres_server: PostgresServer
) -> None:
    keystead = estate.keystead
    name = target.rpartition("/")[2]
    keystead.cli("store", "upgrade", "--database", target)
    postgres_server.execute(_HOLD, database=name)
    command = keystead.command("store", "move", "--to", target)
    process = subprocess.Popen(
        command, env=keystead.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    keystead.wait_until(
        lambda: postgres_server.execute(
            "SELECT 1 FROM meta WHERE name = 'move-under-way'", database=name
        )
    )
    process.kill()
    process.wait()
    postgres_server.execute(_LET_GO, database=name)
    refused = keystead.run("client", "list", "--database", target)
    assert refused.code == 1
    assert "has not come to its end" in refused.err
    assert keystead.run("client", "list").code == 0, "the source is what counts"
    assert keystead.cli("store", "move", "--to", target)["rows"]["otp_key"] == 3_001


def killed_in_the_last_step(estate: Estate, target: str, server: PostgresServer) -> None:
    """Kill a move when the source is marked already, and the target not yet released."""
    keystead = estate.keystead
    name = target.rpartition("/")[2]
    keystead.cli("store", "upgrade", "--database", target)
    server.execute(_HOLD_THE_END, database=name)
    command = keystead.command("store", "move", "--to", target)
    process = subprocess.Popen(
        command, env=keystead.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    keystead.wait_until(
        lambda: server.execute(
            "SELECT 1 FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event = 'PgSleep'",
            database=name,
        )
    )
    process.kill()
    process.wait()
    server.execute(_LET_GO_THE_END, database=name)


def test_a_move_that_died_between_its_two_last_steps_is_finished(
    estate: Estate, target: str, postgres_server: PostgresServer
) -> None:
    killed_in_the_last_step(estate, target, postgres_server)
    keystead = estate.keystead
    for database, said in (("sqlite", "was moved to"), (target, "has not come to its end")):
        refused = keystead.run("client", "list", "--database", database)
        assert refused.code == 1
        assert said in refused.err
    assert keystead.cli("store", "move", "--to", target)["rows"]["otp_key"] == 3_001
    assert keystead.run("client", "list", "--database", target).code == 0


def test_a_copy_that_is_not_the_same_is_not_released(
    estate: Estate, target: str, postgres_server: PostgresServer
) -> None:
    killed_in_the_last_step(estate, target, postgres_server)
    keystead = estate.keystead
    with closing(sqlite3.connect(keystead.directory / "keystead.db")) as source, source:
        source.execute("UPDATE otp_key SET use = 9 WHERE public_id = ?", [estate.keys[0].public_id])
    refused = keystead.run("store", "move", "--to", target)
    assert refused.code == 1
    assert "otp_key is not what was copied" in refused.err
    assert keystead.run("client", "list", "--database", target).code == 1


def test_the_journal_goes_along_and_tells_of_the_move(estate: Estate, target: str) -> None:
    keystead = estate.keystead
    before = keystead.cli("journal", "list")["entries"]
    keystead.cli("store", "move", "--to", target, "--reason", "it grew")
    keystead.configure(f'[store]\ndatabase = "{target}"\n')
    *after, moved = keystead.cli("journal", "list")["entries"]
    assert after == before
    assert (moved["action"], moved["reason"]) == ("store.move", "it grew")
    assert keystead.run("journal", "verify").code == 0
