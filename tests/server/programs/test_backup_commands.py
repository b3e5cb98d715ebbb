"""Backups and restores as an operator types them: what is bad is refused, and nothing is left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keystead_process import KeysteadProcess


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def served(home: Path) -> Iterator[KeysteadProcess]:
    """Run a service with a sandbox and a counter journal."""
    with at(home, "var") as process:
        process.init("--sandbox")
        process.configure(f'[backup]\ncounter_journal = "{home / "journals"}"\n')
        process.start()
        yield process


@pytest.fixture(scope="module")
def backup(served: KeysteadProcess, home: Path) -> Path:
    """Make a backup with nothing configured but the journal."""
    file = home / "backup.age"
    made = served.run("backup", str(file), "--json")
    assert made.code == 0, made.err
    assert (made.value["keys"], made.value["clients"]) == (1, 1)
    assert "identity was made" in made.err
    assert file.stat().st_mode & 0o777 == 0o600
    return file


def at(home: Path, name: str) -> KeysteadProcess:
    return KeysteadProcess(home / name, environment={"XDG_CONFIG_HOME": str(home / "config")})


def key_of(served: KeysteadProcess) -> str:
    return str(served.directory / "secrets" / "hsm.key")


def test_a_backup_holds_no_key_file_unless_asked(
    served: KeysteadProcess, backup: Path, home: Path
) -> None:
    bare, whole = at(home, "bare"), at(home, "whole")
    restored = bare.cli("restore", str(backup))
    assert (restored["fenced"], restored["sealing_key"]) == (True, False)
    assert not (bare.directory / "secrets" / "hsm.key").exists()
    served.cli("backup", "make", str(home / "whole.age"), "--with-key-file")
    assert whole.cli("restore", str(home / "whole.age"))["sealing_key"]
    restored_key = (whole.directory / "secrets" / "hsm.key").read_bytes()
    assert restored_key == Path(key_of(served)).read_bytes()
    assert whole.cli("fence", "status")["fenced"]
    assert whole.run("fence", "release").code == 2  # a reason is no option
    whole.cli("fence", "release", "--reason", "a test")
    assert not whole.cli("fence", "status")["fenced"]
    entries = whole.cli("journal", "list")
    assert "fence.release" in str(entries)
    assert "store.restore" in str(entries)


def test_a_restore_says_what_it_undid(backup: Path, home: Path) -> None:
    told = at(home, "told").run("restore", str(backup))
    assert told.code == 0, told.err
    assert "UNDONE is what was administered after 20" in told.out
    assert "disabled since are ACTIVE" in told.out
    assert "All keys are FENCED" in told.out


def test_a_restore_overwrites_nothing(served: KeysteadProcess, backup: Path, home: Path) -> None:
    before = sorted(path.name for path in served.directory.iterdir())
    refused = served.run("restore", str(backup))
    assert refused.code == 1
    assert "is not empty" in refused.err
    assert sorted(path.name for path in served.directory.iterdir()) == before
    again = served.run("backup", str(backup))
    assert again.code == 1
    assert "exists already" in again.err
    assert not list(home.glob("*.partial"))


@pytest.mark.parametrize("fault", ["cut", "altered", "absent", "another key"])
def test_what_cannot_be_restored_leaves_nothing(
    served: KeysteadProcess, backup: Path, home: Path, fault: str
) -> None:
    target = at(home, f"target of {fault}")
    file, options = home / fault, ["--key-file", key_of(served)]
    content = bytearray(backup.read_bytes())
    if fault == "cut":
        file.write_bytes(content[:-100])
    elif fault == "altered":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif fault == "another key":
        with at(home, "other") as other:
            other.init()
            file, options = backup, ["--key-file", key_of(other)]
    refused = target.run("restore", str(file), *options)
    assert refused.code == 1
    assert refused.err.startswith("keystead: ")
    assert "Traceback" not in refused.err
    assert not target.directory.exists()


def test_a_drill_proves_a_backup_and_keeps_nothing(
    served: KeysteadProcess, backup: Path, home: Path, tmp_path: Path
) -> None:
    scratch = KeysteadProcess(
        home / "nothing",
        environment={"XDG_CONFIG_HOME": str(home / "config"), "TMPDIR": str(tmp_path)},
    )
    refused = scratch.run("restore", "--drill", str(backup))
    assert refused.code == 1
    assert "--key-file" in refused.err
    found = scratch.cli("restore", "--drill", str(backup), "--key-file", key_of(served))
    assert (found["records_opened"], found["fence_refuses"]) == (2, True)
    assert found["seconds"] > 0
    assert not scratch.directory.exists()
    assert not list(tmp_path.iterdir())


def test_the_doctor_asks_for_a_counter_journal(served: KeysteadProcess, home: Path) -> None:
    findings = {each["check"]: each for each in served.cli("doctor")}
    assert findings["counter journal"]["grade"] == "warn"  # both on this disk
    assert "same disk" in findings["counter journal"]["found"]
    with at(home, "without") as other:
        other.init()
        findings = {each["check"]: each for each in other.cli("doctor")}
        assert "fenced" in findings["counter journal"]["found"]
        other.configure('[backup]\ncounter_journal = "/nowhere/at/all"\n')
        findings = {each["check"]: each for each in other.run("doctor", "--json").value}
        assert findings["counter journal"]["grade"] == "fail"
        refused = other.run("serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
        assert refused.code == 1
        assert "backup.counter_journal" in refused.err
