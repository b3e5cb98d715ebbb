"""The distribution holds the five packages and nothing else, and owns their names alone."""

import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"agent", "hsm", "loadtest", "server", "validation"}


def build(tree: Path, kind: str, into: Path) -> Path:
    """Build a wheel or an sdist of `tree`, with the installed hatchling and no download."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(into)],
        cwd=tree,
        check=True,
        capture_output=True,
    )
    (built,) = into.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(build(ROOT, "wheel", tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> tarfile.TarFile:
    return tarfile.open(build(ROOT, "sdist", tmp_path_factory.mktemp("sdist")))


def test_the_wheel_holds_exactly_the_five_packages(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES


def test_the_wheel_holds_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    written = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == written
    assert {f"{package}/py.typed" for package in PACKAGES} <= packed


def test_the_sdist_builds_the_same_wheel(
    wheel: zipfile.ZipFile, sdist: tarfile.TarFile, tmp_path: Path
) -> None:
    # Python 3.11 knows filters from 3.11.4 on; Debian's is older.
    sdist.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
    sdist.extractall(tmp_path / "unpacked")  # noqa: S202 - our own archive, made a moment ago
    (tree,) = (tmp_path / "unpacked").iterdir()
    again = zipfile.ZipFile(build(tree, "wheel", tmp_path / "again"))
    assert set(again.namelist()) == set(wheel.namelist())


def test_the_sdist_holds_no_data_and_nothing_that_tools_left_behind(
    sdist: tarfile.TarFile,
) -> None:
    tops = {name.split("/")[1] for name in sdist.getnames() if name.count("/") > 0}
    assert not tops & {"var", ".venv", ".git", "dist", "build"}
    assert not [name for name in sdist.getnames() if name.endswith((".pyc", ".key", ".db"))]


def test_the_license_and_the_readme_travel_with_the_wheel(wheel: zipfile.ZipFile) -> None:
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    text = wheel.read(metadata).decode()
    assert "License-Expression: Apache-2.0" in text
    assert text.endswith((ROOT / "README.md").read_text())
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel.namelist())


def test_every_console_script_leads_to_a_function(wheel: zipfile.ZipFile) -> None:
    (declared,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    scripts = ConfigParser()
    scripts.read_string(wheel.read(declared).decode())
    assert "keystead" in scripts["console_scripts"]
    for target in scripts["console_scripts"].values():
        module, _, function = target.partition(":")
        assert callable(getattr(import_module(module), function))


def test_no_other_installed_distribution_owns_one_of_our_names() -> None:
    owners = packages_distributions()
    for package in PACKAGES:
        assert set(owners.get(package, [])) <= {"keystead"}
