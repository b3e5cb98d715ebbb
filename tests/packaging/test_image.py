"""The image: what its build copies is there, is enough, and ends in an environment that serves."""

import fnmatch
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def stages() -> list[list[list[str]]]:
    """Return the words of every instruction, by stage."""
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE)).splitlines()
    found: list[list[list[str]]] = []
    for words in (line.split() for line in lines if line.strip()):
        if words[0] == "FROM":
            found.append([])
        found[-1].append(words)
    return found


def copied() -> Iterator[tuple[str, str]]:
    """Yield source and destination of everything that the first stage copies from here."""
    for instruction, *words in stages()[0]:
        if instruction == "COPY":
            *sources, destination = words
            for source in sources:
                yield source, destination


def passes(path: str) -> bool:
    """Return whether .dockerignore lets a path through to the builder: the last rule counts."""
    through = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            rule = line.removeprefix("!")
            if fnmatch.fnmatch(path, rule) or path.startswith(f"{rule}/"):
                through = line.startswith("!")
    return through


def test_what_is_copied_exists_and_reaches_the_builder() -> None:
    assert len(list(copied())) > 8
    for source, _ in copied():
        assert (ROOT / source).exists(), source
        assert passes(source), f".dockerignore keeps {source} back"
    for never in ("var", ".venv", ".git", "deploy/compose/secrets"):
        assert not passes(never), f"{never} would go to the builder"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Do what the first stage does, on copies of what it copies; return the environment."""
    source = tmp_path_factory.mktemp("image") / "src"
    for name, destination in copied():
        into = source / destination
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, into, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            # A destination of several files ends with a slash, as Docker wants it.
            into = into / Path(name).name if destination.endswith("/") else into
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, into)
    place = source.parent / "opt"
    for instruction, *words in stages()[0]:
        if instruction == "RUN":
            command = " ".join(words).replace("/opt/keystead", str(place))
            subprocess.run(["sh", "-ec", command], cwd=source, check=True, capture_output=True)
    yield place
    shutil.rmtree(source.parent)


def test_the_first_stage_needs_nothing_that_it_does_not_copy(release: Path) -> None:
    told = subprocess.run(
        [str(release / "bin/keystead"), "--help"], capture_output=True, text=True, check=True
    )
    assert "YubiKey" in told.stdout
    assert (release / "sbom.cdx.json").stat().st_size > 0


def test_it_has_nothing_to_install_with(release: Path) -> None:
    ended = subprocess.run(
        [str(release / "bin/python"), "-m", "pip", "--version"], capture_output=True, check=False
    )
    assert ended.returncode != 0


def test_nothing_is_written_where_it_is_installed(release: Path, tmp_path: Path) -> None:
    """As a container with a read-only root: only the data directory changes."""

    def state() -> dict[Path, int]:
        return {path: path.lstat().st_mtime_ns for path in release.rglob("*")}

    before = state()
    data = ["--data", str(tmp_path / "var")]
    for command in (["init", "--sandbox"], ["otp"], ["client", "list"], ["config", "check"]):
        subprocess.run(
            [str(release / "bin/keystead"), *command, *data],
            check=True,
            capture_output=True,
            env={"PATH": "/nowhere"},
            cwd=tmp_path,
        )
    assert state() == before
    assert [path.name for path in tmp_path.iterdir()] == ["var"]


def test_the_image_runs_as_a_user_who_is_not_root_and_can_tell_its_health() -> None:
    final = {words[0]: words[1:] for words in stages()[-1]}
    assert final["USER"] == ["keystead"]
    assert final["VOLUME"] == ["/var/lib/keystead"]
    assert final["STOPSIGNAL"] == ["SIGTERM"]
    assert "/healthz" in " ".join(final["HEALTHCHECK"])
