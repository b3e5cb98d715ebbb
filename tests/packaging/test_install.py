"""The install script tells a person what the machine lacks, by the name to install."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INTERPRETERS = ["python3", *(f"python3.{minor}" for minor in range(11, 15))]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return a directory that comes first on the PATH."""
    made = tmp_path / "programs"
    made.mkdir()
    return made


def pretend(programs: Path, name: str, script: str) -> None:
    program = programs / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def install(
    programs: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHON"}
    path = f"{programs}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", str(ROOT / "deploy/install.sh"), *arguments],
        env={**clean, "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_new_enough_python_it_names_package_and_formula(
    programs: Path, tmp_path: Path
) -> None:
    for name in INTERPRETERS:
        pretend(programs, name, "exit 1")
    ended = install(programs, "venv", str(tmp_path / "venv"), "lock.txt")
    assert ended.returncode == 1
    assert "apt-get install python3 python3-venv" in ended.stderr
    assert "brew install python@3." in ended.stderr
    assert not (tmp_path / "venv").exists()


def test_without_the_venv_module_it_names_the_package(programs: Path, tmp_path: Path) -> None:
    pretend(programs, "python3", 'case "$2" in *ensurepip*) exit 1 ;; esac')
    ended = install(programs, "venv", str(tmp_path / "venv"), "lock.txt")
    assert ended.returncode == 1
    assert "apt-get install python3-venv" in ended.stderr


def test_a_python_that_was_named_and_does_not_do_is_not_replaced_in_silence(
    programs: Path, tmp_path: Path
) -> None:
    pretend(programs, "python3.9", "exit 1")
    ended = install(programs, "venv", str(tmp_path / "v"), "lock.txt", PYTHON="python3.9")
    assert ended.returncode == 1
    assert "python3.9 is not a Python 3.11 or newer" in ended.stderr


def test_an_unknown_package_set_installs_nothing(programs: Path) -> None:
    pretend(programs, "apt-get", "echo called >&2")
    ended = install(programs, "packages", "nothing-like-that")
    assert ended.returncode == 1
    assert "called" not in ended.stderr


@pytest.mark.parametrize("arguments", [(), ("venv",), ("fly", "away")])
def test_wrong_usage_is_refused(programs: Path, arguments: tuple[str, ...]) -> None:
    ended = install(programs, *arguments)
    assert ended.returncode == 1
    assert "deploy/install.sh" in ended.stderr
