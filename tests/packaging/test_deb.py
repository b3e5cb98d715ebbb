"""The Debian package holds what it should, and nothing that tells where it was built."""

import hashlib
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.packaging.conftest import make_deb
from tests.packaging.unit_file import Unit
from tests.system_programs import require_program

ROOT = Path(__file__).parents[2]
PLACE = "usr/lib/keystead"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

EXPOSURE_AT_MOST = 15
"""Tenths, as `systemd-analyze security` counts: 0 is a unit that can do nothing, 96 one without
any restriction. Ours needs the network and Unix sockets, which alone are 8."""


def installed(unpacked: Path) -> dict[str, str]:
    """Return name and version of every distribution in the environment."""
    found = {}
    for metadata in unpacked.glob(f"{PLACE}/lib/python3.*/site-packages/*.dist-info/METADATA"):
        head = metadata.read_text(errors="replace").split("\n\n")[0]
        fields = dict(re.findall(r"^(Name|Version): (.+)$", head, re.MULTILINE))
        found[re.sub(r"[-_.]+", "-", fields["Name"]).lower()] = fields["Version"]
    return found


def test_the_control_file_says_what_it_is_and_needs(deb: Path) -> None:
    fields = ["Package", "Version", "Architecture", "Depends"]
    told = subprocess.run(
        ["dpkg-deb", "--field", str(deb), *fields], capture_output=True, text=True, check=True
    )
    said = dict(line.split(": ", 1) for line in told.stdout.splitlines())
    machine = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    )
    assert said["Package"] == "keystead"
    assert said["Version"] == PROJECT["version"]
    assert said["Architecture"] == machine.stdout.strip()
    assert re.search(r"\bpython3\.\d+\b", said["Depends"])
    assert re.search(r"\blibc6 \(>= 2\.\d+\)", said["Depends"])


def test_everything_belongs_to_root_and_nobody_else_may_write(deb: Path) -> None:
    told = subprocess.run(
        ["dpkg-deb", "--contents", str(deb)], capture_output=True, text=True, check=True
    )
    lines = [line.split(maxsplit=5) for line in told.stdout.splitlines()]
    assert len(lines) > 1000
    for mode, owner, *_, path in lines:
        assert owner == "root/root", path
        assert "s" not in mode.lower(), path
        assert mode.startswith("l") or mode[5] == mode[8] == "-", path


def test_nothing_in_it_names_the_place_where_it_was_built(tree: Path, unpacked: Path) -> None:
    here = os.fsencode(tree)
    files = [path for path in unpacked.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in files if here in path.read_bytes()]
    links = [path for path in unpacked.rglob("*") if path.is_symlink()]
    assert not [path for path in links if str(tree) in str(path.readlink())]


def test_it_holds_the_lock_and_no_tool_that_builds_or_installs(unpacked: Path) -> None:
    found = installed(unpacked)
    assert found.pop("keystead") == PROJECT["version"]
    lock = (ROOT / "requirements/server.txt").read_text()
    assert found.items() <= dict(re.findall(r"^([\w.-]+)==([\w.]+)", lock, re.MULTILINE)).items()
    assert not {"pip", "setuptools", "wheel", "hatchling", "editables"} & found.keys()
    commands = {path.name for path in (unpacked / PLACE / "bin").iterdir()}
    assert {name for name in commands if not name.startswith("python")} == set(PROJECT["scripts"])


def test_the_bill_of_materials_is_valid_and_names_exactly_what_is_installed(
    unpacked: Path,
) -> None:
    text = (unpacked / "usr/share/doc/keystead/sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    ours = bill["metadata"]["component"]
    listed = {part["name"].lower(): part["version"] for part in [ours, *bill["components"]]}
    assert listed == installed(unpacked)
    assert all(part["purl"].startswith("pkg:pypi/") for part in bill["components"])


def test_every_module_is_compiled_by_content(unpacked: Path) -> None:
    site = next(unpacked.glob(f"{PLACE}/lib/python3.*/site-packages"))
    for package in ("server", "hsm", "validation", "aiohttp"):
        for module in (site / package).rglob("*.py"):
            (compiled,) = module.parent.glob(f"__pycache__/{module.stem}.cpython-*.pyc")
            # PEP 552: unchecked, by hash. The time in the package's archive does not matter.
            assert compiled.read_bytes()[4:8] == b"\x01\0\0\0", compiled


def test_ceremonies_are_a_command_of_the_package(unpacked: Path) -> None:
    command = unpacked / "usr/bin/keystead-ceremony"
    assert command.resolve() == (unpacked / PLACE / "bin/keystead-ceremony").resolve()
    assert os.access(command, os.X_OK)


def test_the_unit_of_a_prober_is_there_to_be_taken_to_another_host(unpacked: Path) -> None:
    unit = Unit((unpacked / "usr/share/doc/keystead/examples/keystead-probe.service").read_text())
    program, *arguments = unit.command
    assert os.access(unpacked / program.removeprefix("/"), os.X_OK)
    assert arguments[0] == "probe"
    assert unit.one("User") == "keystead-probe"


def test_the_sums_are_those_of_the_files(unpacked: Path) -> None:
    lines = (unpacked / "DEBIAN/md5sums").read_text().splitlines()
    sums = {path: told for told, path in (line.split("  ", 1) for line in lines)}
    files = [path for path in (unpacked / "usr").rglob("*") if path.is_file()]
    real = {str(path.relative_to(unpacked)): path for path in files if not path.is_symlink()}
    assert sums.keys() == real.keys()
    for path in [f"{PLACE}/sbom.cdx.json", "usr/bin/keystead"]:
        assert hashlib.md5(real[path].read_bytes(), usedforsecurity=False).hexdigest() == sums[path]


def test_the_unit_starts_the_installed_command_as_its_own_user(unpacked: Path) -> None:
    unit = Unit((unpacked / "usr/lib/systemd/system/keystead.service").read_text())
    program, *arguments = unit.command
    assert os.access(unpacked / program.removeprefix("/"), os.X_OK)
    assert arguments == ["serve"]
    assert unit.one("User") == "keystead"
    assert unit.one("LimitCORE") == "0"
    assert unit.one("ConditionPathExists") == "/var/lib/keystead/keystead.toml"


def test_the_unit_is_confined_as_systemd_counts(unpacked: Path) -> None:
    analyze = require_program("systemd-analyze", package="systemd")
    judged = subprocess.run(
        [
            *(analyze, "security", "--offline=true", "--no-pager"),
            f"--threshold={EXPOSURE_AT_MOST}",
            str(unpacked / "usr/lib/systemd/system/keystead.service"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_building_again_gives_the_same_package(tree: Path, deb: Path) -> None:
    before = hashlib.sha256(deb.read_bytes()).hexdigest()
    deb.unlink()
    make_deb(tree)
    assert hashlib.sha256(deb.read_bytes()).hexdigest() == before
