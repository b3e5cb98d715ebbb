"""The repository speaks of Keystead alone, and what it tells people to type exists."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

NOT_OURS = {".git", ".venv", "var", "dist", "build", "__pycache__", "load-reports", "bench-reports"}

# Written so that this file does not hold what it looks for.
HOST = re.compile(r"\b(?:py[p]i|python[h]osted|npm[j]s|deb[i]an)\.org|crates\.[i]o")
MACHINE_PATH = re.compile(
    r"(?<![\w.])/(?:wor[k]|roo[t]|hom[e]|Use[r]s)/[A-Za-z.]|/opt/(?:wheel[s]|py[p]i)"
)


def our_files() -> Iterator[Path]:
    """Yield the files of the working tree that belong to the repository."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if listed.returncode == 0:
            yield from (ROOT / name for name in listed.stdout.split("\0") if name)
            return
    for directory, below, names in os.walk(ROOT):
        below[:] = [name for name in below if name not in NOT_OURS and not name.endswith("_cache")]
        yield from (Path(directory, name) for name in names)


def text_files() -> Iterator[tuple[Path, str]]:
    """Yield our files that are text, with it."""
    for path in our_files():
        try:
            yield path.relative_to(ROOT), path.read_text("utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue


def test_no_file_names_a_registry_host_or_a_path_of_one_machine() -> None:
    found = [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in text_files()
        for number, line in enumerate(text.splitlines(), 1)
        if HOST.search(line) or MACHINE_PATH.search(line)
    ]
    assert not found


def test_only_the_shared_script_installs_and_it_can_be_run() -> None:
    scripts = ["postinst", "prerm", "postrm", "keystead", "build.sh"]
    for script in (
        ROOT / ".ci/run",
        ROOT / "deploy/install.sh",
        ROOT / "deploy/compose/make-secrets",
        *(ROOT / "deploy/deb" / name for name in scripts),
    ):
        assert os.access(script, os.X_OK), f"{script} is not executable"
    for user in (".ci/run", "Makefile", "Dockerfile", "deploy/deb/build.sh"):
        text = (ROOT / user).read_text()
        assert "deploy/install.sh" in text
        assert "apt-get install" not in text
        assert "pip install" not in text


def packages(name: str) -> list[str]:
    """Return the Debian packages of a list under deploy/packages/."""
    lines = (ROOT / "deploy/packages" / f"{name}.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("name", ["python", "tests"])
def test_a_package_list_holds_plain_names(name: str) -> None:
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", package) for package in packages(name))


def test_every_package_that_a_test_asks_for_is_installed_by_ci() -> None:
    known = {*packages("tests"), *packages("python")}
    asked = {
        name
        for path, text in text_files()
        if path.suffix == ".py" and path.parts[0] in {"tests", "loadtest"}
        for name in re.findall(r"""\bpackage=["']([a-z0-9.+-]+)["']""", text)
    }
    assert asked <= known


def targets() -> set[str]:
    """Return what `make` can be asked for."""
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_make_command_in_the_docs_exists() -> None:
    typed = {
        (str(path), target)
        for path, text in text_files()
        if path.suffix == ".md"
        for target in re.findall(r"(?:^|`|\$ )make ([a-z-]+)", text, re.MULTILINE)
    }
    assert {path for path, _ in typed} >= {"README.md", "CONTRIBUTING.md"}
    assert {target for _, target in typed} <= targets()


def test_bare_make_prints_every_target_with_a_line_of_help() -> None:
    # `make check` runs this test, and a make within make would tell of its directory.
    command = ["make", "--no-print-directory"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in printed.splitlines()} == targets()
    assert {"setup", "run", "check", "test", "bench", "lock"} <= targets()


def test_the_makefile_asks_nothing_of_make_that_macos_does_not_have() -> None:
    text = (ROOT / "Makefile").read_text()
    for younger in (".ONESHELL", "!=", "$(file", "::=", ".RECIPEPREFIX", "undefine"):
        assert younger not in text.replace("no !=", "").replace("no .ONESHELL", "")
