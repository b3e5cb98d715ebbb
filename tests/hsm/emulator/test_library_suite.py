"""Yubico's own tests of its library, against `keystead emulator` as if it were hardware."""

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).parents[3]
_ALL = 348
_WITHOUT_FIPS = 344
"""So many tests has the version that is locked; four of them are for the FIPS series only."""
_COUNT = re.compile(r"(\d+) (passed|failed|error|errors|skipped)\b")


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide the library's source, which alone holds its tests: the version and hash locked."""
    folder = tmp_path_factory.mktemp("yubihsm")
    lock = (_REPOSITORY / "requirements" / "dev.txt").read_text()
    pinned = re.search(r"^yubihsm==(?:.*\\\n)*.*\n", lock, re.MULTILINE)
    assert pinned is not None
    (folder / "requirements.txt").write_text(pinned[0])
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-binary", ":all:"]
    command += ["--no-deps", "--require-hashes", "-r", "requirements.txt"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode and os.environ.get("CI") != "true":
        pytest.skip(f"the library's source cannot be fetched: {done.stderr.splitlines()[-1:]}")
    assert done.returncode == 0, done.stderr
    (archive,) = folder.glob("yubihsm-*.tar.gz")
    with tarfile.open(archive) as packed:
        # Python 3.11 knows filters from 3.11.4 on; Debian's is older.
        packed.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        packed.extractall(folder)  # noqa: S202 - its hash was compared to the lock
    return folder / archive.name.removesuffix(".tar.gz")


@contextmanager
def _emulator(*options: str) -> Iterator[str]:
    keystead = Path(sys.executable).with_name("keystead")
    command = [str(keystead), "emulator", "--listen", "127.0.0.1:0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            assert ready.startswith("ready http://")
            yield ready.split()[1]
        finally:
            process.terminate()


@pytest.mark.parametrize(
    ("options", "at_least"),
    [
        (("--firmware", "2.4.1", "--fips"), _ALL),
        (("--firmware", "2.5.0"), _WITHOUT_FIPS),
    ],
    ids=["2.4.1 as FIPS", "2.5.0"],
)
def test_the_librarys_own_tests_pass(
    suite: Path, tmp_path: Path, options: tuple[str, ...], at_least: int
) -> None:
    # Hardware needs five seconds to restart, which the tests wait for; this device does not.
    (tmp_path / "impatient.py").write_text("import time\n\ntime.sleep = lambda _seconds: None\n")
    with _emulator(*options) as backend:
        command = [sys.executable, "-m", "pytest", "tests", "-q", "--backend", backend]
        command += ["-p", "impatient", "-p", "no:cacheprovider", "-p", "no:asyncio"]
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        done = subprocess.run(
            command, cwd=suite, env=environment, capture_output=True, text=True, check=False
        )
    counts = {word: int(count) for count, word in _COUNT.findall(done.stdout.splitlines()[-1])}
    assert done.returncode == 0, done.stdout[-4000:]
    assert counts.keys() <= {"passed", "skipped"}
    assert counts["passed"] >= at_least
