"""What is installed is what was locked: public versions, by hash, wherever pip looks for them."""

import re
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

_HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


class Locked(NamedTuple):
    """One requirement of a lock file."""

    name: str
    version: Version
    hashes: int


def read_lock(path: Path) -> dict[str, Locked]:
    """Read a lock file; anything but `name==version` and its hashes fails."""
    found: dict[str, Locked] = {}
    name = ""
    lines = path.read_text().splitlines()
    for line in lines:
        if _HASH.fullmatch(line):
            found[name] = found[name]._replace(hashes=found[name].hashes + 1)
            continue
        requirement = Requirement(line.removesuffix(" \\"))
        assert requirement.url is None
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        name = requirement.name
        assert name not in found, f"{name} is locked twice"
        found[name] = Locked(name, Version(pin.version), 0)
    assert all(
        before.endswith("\\") or not _HASH.fullmatch(after) for before, after in pairwise(lines)
    )
    return found


def group(name: str) -> list[str]:
    """Return the requirements of a dependency group, included groups too."""
    wanted: list[str] = []
    for item in PROJECT["dependency-groups"][name]:
        wanted += [item] if isinstance(item, str) else group(item["include-group"])
    return wanted


def test_there_are_three_locks() -> None:
    assert [path.name for path in LOCKS] == ["build.txt", "dev.txt", "server.txt"]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_locked_version_is_public_and_has_hashes(path: Path) -> None:
    for locked in read_lock(path).values():
        assert locked.version.local is None, f"{locked.name} is a build of this machine's own"
        assert locked.hashes > 0, f"{locked.name} is locked without a hash"


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_a_lock_names_no_index_and_no_host(path: Path) -> None:
    text = path.read_text()
    for option in ("--index-url", "--extra-index-url", "--find-links", "--trusted-host", "://"):
        assert option not in text


def test_the_server_runs_in_tests_with_the_versions_it_is_installed_with() -> None:
    build, dev, server = (read_lock(path) for path in LOCKS)
    assert server.items() <= dev.items()
    assert build.items() <= dev.items()


def test_no_tool_that_builds_is_among_what_serves() -> None:
    build, _, server = (read_lock(path) for path in LOCKS)
    # What both need is in both; what the project asks for by name as a tool is in one.
    assert not {Requirement(text).name for text in group("build")} & server.keys()
    assert {"pip", "hatchling"} <= build.keys()


@pytest.mark.parametrize("name", ["build", "server", "dev"])
def test_the_locks_hold_what_the_project_asks_for(name: str) -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    served = PROJECT["project"]["dependencies"] + extras["server"]
    asked = {
        "build": group("build"),
        "server": served,
        "dev": served + extras["usb"] + extras["loadtest"] + extras["agent"] + group("dev"),
    }[name]
    locked = read_lock(ROOT / "requirements" / f"{name}.txt")
    for text in asked:
        requirement = Requirement(text)
        assert requirement.name in locked, f"`make lock` was not run after {text} was added"
        assert locked[requirement.name].version in requirement.specifier, "run `make lock`"


FLOORS = {
    "aiohttp": "3.13.3",  # CVE-2025-69223 to -69230
    "cryptography": "46.0.5",  # CVE-2026-26007
    "fido2": "2.2.0",
    "h2": "4.3.0",  # CVE-2025-57804
    "jinja2": "3.1.6",  # CVE-2025-27516
    "requests": "2.32.4",  # CVE-2024-47081
    "urllib3": "2.6.3",  # CVE-2026-21441
    "werkzeug": "3.1.4",  # CVE-2025-66221
    "yubikey-manager": "5.9.1",
}
"""Versions that mend an advisory which would concern us."""


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_s23_nothing_is_locked_that_an_advisory_warns_of(path: Path) -> None:
    below = {
        locked.name: str(locked.version)
        for locked in read_lock(path).values()
        if locked.name in FLOORS and locked.version < Version(FLOORS[locked.name])
    }
    assert not below


def test_s23_ci_looks_the_locks_up_among_the_advisories_and_fails_when_it_finds_one() -> None:
    script = (ROOT / ".ci/run").read_text()
    assert "step 'advisories (make audit)' audited" in script
    found = ROOT / ".ci/advisories"
    told = "Found 1 known vulnerability in 1 package\n"
    for text, code in ((told, 1), ("No known vulnerabilities found\n", 0), ("no network\n", 0)):
        ended = subprocess.run(["sh", str(found)], input=text, text=True, check=False)
        assert ended.returncode == code
