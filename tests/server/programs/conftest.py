"""Real services for the tests of the programs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keystead_process import KeysteadProcess


@pytest.fixture
def keystead(tmp_path: Path) -> Iterator[KeysteadProcess]:
    """Return a data directory that is not initialised yet."""
    with KeysteadProcess(tmp_path / "var") as process:
        yield process


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeysteadProcess]:
    """Run a service in one process with a sandbox, shared by a module's tests."""
    with KeysteadProcess(tmp_path_factory.mktemp("running") / "var") as process:
        process.init("--sandbox")
        process.start()
        yield process
