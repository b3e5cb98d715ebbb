"""`keystead init` and the sandbox: made once, never overwritten, never the same OTP twice."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.keystead_process import KeysteadProcess


def test_commands_before_init_say_what_to_do(keystead: KeysteadProcess) -> None:
    for command in (["serve"], ["client", "list"], ["store", "upgrade"]):
        ended = keystead.run(*command)
        assert ended.code == 1
        assert f"keystead init --data {keystead.directory}" in ended.err
    assert keystead.run("otp").code == 1
    assert not keystead.directory.exists()


def test_init_makes_everything_and_repeats_nothing(keystead: KeysteadProcess) -> None:
    assert keystead.init() == {"data": str(keystead.directory), "initialised": True}
    key_file = keystead.directory / "secrets" / "hsm.key"
    key = key_file.read_bytes()
    ended = keystead.run("init")
    assert ended.code == 1
    assert "initialised already" in ended.err
    assert key_file.read_bytes() == key
    findings = {each["grade"] for each in keystead.cli("doctor")}
    assert "fail" not in findings


def test_init_that_was_interrupted_is_completed(keystead: KeysteadProcess) -> None:
    keystead.init()
    key = (keystead.directory / "secrets" / "hsm.key").read_bytes()
    (keystead.directory / "keystead.db").unlink()
    keystead.init()
    assert (keystead.directory / "secrets" / "hsm.key").read_bytes() == key
    assert keystead.cli("client", "list") == {"clients": []}


def test_a_sandbox_is_added_once_also_later(keystead: KeysteadProcess) -> None:
    keystead.init()
    assert keystead.run("otp").code == 1
    made = keystead.init("--sandbox")
    assert made["initialised"] is False
    assert made["sandbox"]["id"] == 1
    assert len(keystead.otp()) == 44
    ended = keystead.run("init", "--sandbox")
    assert ended.code == 1
    assert "has a sandbox already" in ended.err


def test_a_sandbox_is_added_while_the_service_runs(keystead: KeysteadProcess) -> None:
    keystead.init()
    keystead.start()
    made = keystead.init("--sandbox")["sandbox"]
    assert keystead.verify(made["id"], keystead.otp()).status == "OK"


def test_production_gets_no_sandbox(keystead: KeysteadProcess) -> None:
    keystead.init()
    keystead.configure('environment = "production"\n')
    ended = keystead.run("init", "--sandbox")
    assert ended.code == 1
    assert "no place" in ended.err


def test_the_sandbox_file_holds_no_secret_in_the_clear(keystead: KeysteadProcess) -> None:
    keystead.init("--sandbox")
    first = (keystead.directory / "sandbox" / "virtual-yubikey").read_bytes()
    otp = keystead.otp()
    second = (keystead.directory / "sandbox" / "virtual-yubikey").read_bytes()
    assert first != second
    assert otp.encode()[-32:] not in second


def test_parallel_presses_never_give_the_same_otp(keystead: KeysteadProcess) -> None:
    keystead.init("--sandbox")
    with ThreadPoolExecutor(4) as pool:
        otps = list(pool.map(lambda _: keystead.otp(), range(8)))
    assert len(set(otps)) == 8


def test_commands_work_without_a_service_and_side_by_side(keystead: KeysteadProcess) -> None:
    keystead.init()
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda n: keystead.cli("client", "add", f"c{n}")["id"], range(3)))
    assert sorted(made) == [1, 2, 3]
    assert keystead.cli("store", "upgrade") == {"before": "current", "after": "current"}


def test_a_mistake_in_the_configuration_is_named_by_line(keystead: KeysteadProcess) -> None:
    keystead.init()
    keystead.configure("[limits]\nrate = 1\nburts = 3\n")
    ended = keystead.run("config", "check")
    assert ended.code == 1
    assert f"{keystead.directory / 'keystead.toml'}:3: limits.burts" in ended.err
    assert "burst" in ended.err


def test_the_directory_is_an_option_before_or_after_the_command_or_a_variable(
    keystead: KeysteadProcess, tmp_path: Path
) -> None:
    keystead.init()
    keystead.configure("workers = 7\n")
    program = [sys.executable, "-m", "server"]
    wrong = {**keystead.environment, "KEYSTEAD_DATA": str(tmp_path / "elsewhere")}
    right = {**keystead.environment, "KEYSTEAD_DATA": str(keystead.directory)}
    option = ["--data", str(keystead.directory)]
    for arguments, environment in (
        ([*option, "config", "check"], wrong),
        (["config", "check", *option], wrong),
        (["config", "check"], right),
    ):
        printed = subprocess.check_output([*program, *arguments], env=environment, text=True)
        assert "\nworkers = 7\n" in printed


def test_an_upgrade_does_not_replace_a_lost_database(keystead: KeysteadProcess) -> None:
    keystead.init()
    (keystead.directory / "keystead.db").unlink()
    ended = keystead.run("store", "upgrade")
    assert ended.code == 1
    assert "backup" in ended.err
