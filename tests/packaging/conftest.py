"""The Debian package, built once for all tests that look at it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.machine import Machine
from tests.system_programs import require_program

ROOT = Path(__file__).parents[2]


def copy_of_the_tree(into: Path) -> Path:
    """Copy what the repository holds, so that building leaves nothing in it."""
    kept = shutil.ignore_patterns(
        ".git", ".venv", "var", "dist", "build", "tests", "__pycache__", ".*_cache", "*-reports"
    )
    shutil.copytree(ROOT, into, ignore=kept)
    return into


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a copy of the repository to build in; half a gigabyte that pytest would keep."""
    made = copy_of_the_tree(tmp_path_factory.mktemp("tree") / "keystead")
    yield made
    shutil.rmtree(made)


def make_deb(tree: Path) -> Path:
    """Run `make deb` in a tree; return what it built."""
    # The copy has no commit that would date the files.
    dated = {**os.environ, "SOURCE_DATE_EPOCH": "1790000000"}
    built = subprocess.run(
        ["make", "deb"], cwd=tree, env=dated, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (name,) = re.findall(r"^Built (dist/\S+\.deb)$", built.stdout, re.MULTILINE)
    return tree / str(name)


@pytest.fixture(scope="session")
def deb(tree: Path) -> Path:
    """Build the package as `make deb` does, for the machine's own Python."""
    if sys.platform != "linux":
        pytest.skip("Debian packages are built on Debian")
    require_program("dpkg-deb", package="dpkg")
    return make_deb(tree)


@pytest.fixture(scope="session")
def unpacked(deb: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a directory with the package's files, and its control files in DEBIAN."""
    into = tmp_path_factory.mktemp("unpacked") / "root"
    subprocess.run(["dpkg-deb", "--raw-extract", str(deb), str(into)], check=True)
    yield into
    shutil.rmtree(into)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Return a Debian machine to install into."""
    with Machine(tmp_path / "machine") as entered:
        yield entered
